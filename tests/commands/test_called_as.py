"""What people are told to type is what they typed before."""

import pytest

from mipro_studio.commands.called_as import called_as


@pytest.mark.parametrize(
    ("program", "words"),
    [("/home/me/.local/bin/mipro-studio", "mipro-studio"), ("mipro-studio.exe", "mipro-studio")]
    + [(name, "python cli.py") for name in ("cli.py", "/work/cli.py", "-c", "")],
)
def test_commands_that_are_told_are_called_as_this_one_was(
    program: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [program, "list"])
    assert called_as() == words
