"""Kinematics, selections and cut flow of Events."""
