"""The benchmarks group a profile by paths, which must follow when modules move."""

import re

import pytest

from bench.layers import LAYERS, layer_of
from tests.conftest import ROOT

pytestmark = pytest.mark.any_database

PACKAGES = ("/accounts/", "/bench/", "/connections/", "/core/", "/itempath/", "/logs/", "/workitems/")
OWN_PARTS = [part for parts in LAYERS.values() for part in parts if part.startswith(PACKAGES)]


@pytest.mark.parametrize("part", OWN_PARTS)
def test_the_paths_of_the_layers_exist(part):
    path, _, function = part.partition(":")
    file = ROOT / path.removeprefix("/")
    assert file.exists()
    if function:
        assert re.search(rf"def {function}\b", file.read_text("utf-8"))


def test_a_function_belongs_to_the_first_layer_that_names_it():
    assert layer_of((str(ROOT / "core/api/rows.py"), 1, "records")) == "records and JSON"
    assert layer_of((str(ROOT / "accounts/session_middleware.py"), 1, "x")) == "Django handler and middleware"
    assert layer_of(("~", 0, "<built-in method builtins.len>")) == ""
