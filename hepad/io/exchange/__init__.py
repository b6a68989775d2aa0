"""Formats of neighbours: HEPData, pyhf, ONNX, archives."""
