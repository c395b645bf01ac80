"""One extension module of one C file; everything else is in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension("caxton_native", ["caxton_native.c"], extra_compile_args=["-Wall", "-Wextra"])
    ],
    py_modules=[],
)
