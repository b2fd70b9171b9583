"""The rest is in pyproject.toml. The seed tasks, at the top of the tree, go into the wheel as `synth/seed_tasks`."""

from setuptools import find_namespace_packages, setup

setup(
    packages=[*find_namespace_packages(include=["synth*"]), "synth.seed_tasks"],
    package_dir={"synth.seed_tasks": "seed_tasks"},
)
