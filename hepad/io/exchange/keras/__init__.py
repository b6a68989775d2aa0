"""Networks of Keras and TensorFlow, read without either: HDF5, `.keras` and SavedModel become ONNX graphs."""
