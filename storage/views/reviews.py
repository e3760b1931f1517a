"""Reading what people said about a run, and the little that the review pages need beside the arms."""

import json
from collections.abc import Sequence

from sqlite_utils import Database

from mipro_studio.optimizer_core.types import Change, ChangeKind, Event, EventKind, PromptCall, Settled, Split
from mipro_studio.storage.codec import from_json, from_text, to_text
from mipro_studio.storage.reading import read_prompt_calls
from mipro_studio.storage.rows import AskedChange, Deed, Note

__all__ = ["ReviewViews"]


class ReviewViews:
    """Base of `Reader`: a person's changes and notes, single prompt calls, and cells by example."""

    _db: Database

    def changes(self, run_id: str) -> list[AskedChange]:
        """All changes asked of the run's arms, oldest first, with what became of them."""
        kinds = [*ChangeKind]
        rows = self._db.execute(
            "select id, kind, payload, sent_at, settled from commands where run_id = ? "
            f"and kind in ({', '.join('?' * len(kinds))}) order by id",
            [run_id, *kinds],
        )
        asked = []
        for identity, kind, payload, sent_at, body in rows:
            settled = None
            if body is not None:
                order, arms, refused = from_json(body)
                settled = Settled(identity, order, tuple(arms), refused)
            asked.append(AskedChange(Change(identity, ChangeKind(kind), from_json(payload)), sent_at, settled))
        return asked

    def notes(self, run_id: str) -> dict[str, Note]:
        """Notes by what they are about; see `Store.write_note`."""
        rows = self._db.execute("select about, body, at from notes where run_id = ?", [run_id]).fetchall()
        signed = {deed.about: deed.name for deed in self.deeds(run_id) if deed.did == "note"} if rows else {}
        told = ((from_text(about), from_text(body), at) for about, body, at in rows)
        return {about: Note(body, at, signed.get(about, "")) for about, body, at in told}

    def deeds(self, run_id: str) -> list[Deed]:
        """What people with names did to the run, oldest first."""
        return self.deeds_by_run([run_id]).get(run_id, [])

    def deeds_by_run(self, run_ids: Sequence[str]) -> dict[str, list[Deed]]:
        """What people with names did to each of the runs, oldest first, where anybody did anything."""
        # The kind stands in the statement itself: an index that has people alone is not used for a bound value.
        rows = self._db.execute(
            f"select run_id, at, data from events where kind = '{EventKind.PERSON}' "
            "and run_id in (select j.value from json_each(?) as j) order by id",
            [json.dumps([*run_ids])],
        )
        found: dict[str, list[Deed]] = {}
        for run_id, at, body in rows:
            data = from_json(body)
            found.setdefault(run_id, []).append(Deed(at, data["name"], data["did"], data.get("about", "")))
        return found

    def prompt_call(self, run_id: str, key: str) -> PromptCall | None:
        """One call of the prompt model; None when it was never made."""
        return next(read_prompt_calls(self._db, run_id, key=key), None)

    def latest_event(self, run_id: str, kind: str) -> Event | None:
        """The last event of a kind."""
        row = self._db.execute(
            "select data from events where run_id = ? and kind = ? order by id desc limit 1", [run_id, to_text(kind)]
        ).fetchone()
        return None if row is None else Event(kind, from_json(row[0]))

    def example_means(self, run_id: str, candidates: Sequence[str], split: Split = Split.VAL) -> list[float]:
        """One mean score for every example that any of `candidates` has a score on, over those candidates.

        Examples, not cells, are what a mean generalizes over: the cells of one example under several candidates
        are not independent.
        """
        # A set of any size, without SQLite's limit on the number of values.
        rows = self._db.execute(
            "select avg(c.score) from json_each(?) as j join cells as c on c.run_id = ? and c.split = ? "
            "and c.candidate = j.value where c.score is not null group by c.example",
            [json.dumps([to_text(name) for name in candidates]), run_id, split],
        )
        return [mean for (mean,) in rows]
