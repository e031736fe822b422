import io

import pytest
from django.core.management import CommandError, call_command

from tests.connections.records import everything, write


@pytest.fixture
def load(tmp_path, db):
    """Import records by the command; return what it printed."""

    def run(content: object, *options: str) -> str:
        out = io.StringIO()
        call_command(
            "import_connections", str(write(tmp_path / "connections.json", content)), *options, stdout=out
        )
        return out.getvalue()

    return run


@pytest.fixture
def refuse(load):
    """Import what is refused; return the sentences, and see that nothing was changed."""

    def run(content: object, *options: str) -> str:
        before = everything()
        with pytest.raises(CommandError) as refusal:
            load(content, *options)
        assert everything() == before
        *faults, last = str(refusal.value).splitlines()
        assert last == "Nothing was imported."
        assert faults
        return "\n".join(faults)

    return run
