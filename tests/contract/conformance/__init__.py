"""PhonePe's own SDK against the emulator: `make conformance`.

Runs on the interpreter of `.venv-conformance`, whose pins clash with ours, so nothing here may import
anything of the project; the emulator is a process of the project's own interpreter.
"""
