"""The schema, as a list of migrations that sqlite-utils applies together with the record of each.

Rules for the next one: add a function at the end, never change one that has shipped, keep a small database of
the old schema in `tests/storage/fixtures` and open it in a test.

What the tables have in common: foreign text goes through `codec.to_text`, columns of type ANY hold
`codec.to_json`, and `seq` is the order of first writing, which a replacement keeps.
"""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from mipro_studio.storage.codec import from_json, from_text, to_json

__all__ = ["MIGRATIONS", "MIGRATION_NAMES", "changes_and_notes", "first_tables"]

MIGRATIONS = Migrations("mipro_studio")

# Counters stand on the run's row, written in the transaction that changes what they count, so that lists and
# the live page never scan cells.
_RUNS = """
create table runs (
    id text primary key,
    name text not null,
    optimizer text not null,
    seed integer not null,
    status text not null,
    reason text not null default '',
    error text not null default '',
    phase text not null default '',
    phase_done integer not null default 0,
    phase_total integer not null default 0,
    phase_note text not null default '',
    created_at text not null,
    started_at text,
    ended_at text,
    updated_at text not null,
    worker_id text,
    lease_ends_at text,
    life_started_at text,
    beat_at text,
    lives integer not null default 0,
    wall_s real not null default 0,
    trials_planned integer,
    trials_done integer not null default 0,
    cells_ok integer not null default 0,
    cells_error integer not null default 0,
    n_val integer not null default 0,
    baseline_val real,
    best_val real,
    baseline_test real,
    best_test real,
    last_event_id integer not null default 0,
    last_cell_seq integer not null default 0
) strict;
create index runs_by_age on runs (created_at);
"""

# Apart from `runs`, whose row is rewritten with every commit: these are long and hardly ever change.
_DOCUMENTS = """
create table run_documents (
    run_id text primary key references runs (id) on delete cascade,
    config any not null,
    plan any not null,
    receipt any not null
) strict;
create table outcomes (
    run_id text primary key references runs (id) on delete cascade,
    body any not null
) strict;
"""

_ARMS = """
create table examples (
    seq integer primary key,
    run_id text not null references runs (id) on delete cascade,
    split text not null,
    id text not null,
    position integer not null,
    body any not null,
    unique (run_id, split, id)
) strict;
create table instructions (
    seq integer primary key,
    run_id text not null references runs (id) on delete cascade,
    predictor text not null,
    arm integer not null,
    text text not null,
    author text not null,
    active integer not null,
    reason text not null,
    provenance any not null,
    unique (run_id, predictor, arm)
) strict;
create table demo_sets (
    seq integer primary key,
    run_id text not null references runs (id) on delete cascade,
    predictor text not null,
    arm integer not null,
    kind text not null,
    active integer not null,
    demos any not null,
    unique (run_id, predictor, arm)
) strict;
create table prompt_calls (
    seq integer primary key,
    run_id text not null references runs (id) on delete cascade,
    key text not null,
    body any not null,
    unique (run_id, key)
) strict;
create table burns (
    seq integer primary key,
    run_id text not null references runs (id) on delete cascade,
    role text not null,
    calls integer not null,
    retries integer not null,
    input_tokens integer not null,
    output_tokens integer not null,
    cost_usd real,
    lm_s real not null,
    unique (run_id, role)
) strict;
"""

# Cells are clustered by their key (without rowid): a candidate's cells lie side by side, so the means of all
# candidates are one sequential scan, and a new cell touches one b-tree instead of two. That only pays while
# rows are short, so predictions and traces stand apart.
_CELLS = """
create table cells (
    run_id text not null references runs (id) on delete cascade,
    split text not null,
    candidate text not null,
    example text not null,
    rollout integer not null,
    seq integer not null,
    score real,
    error text,
    error_message text not null,
    calls integer not null,
    retries integer not null,
    input_tokens integer not null,
    output_tokens integer not null,
    cost_usd real,
    lm_s real not null,
    seconds_s real not null,
    at text not null,
    primary key (run_id, split, candidate, example, rollout),
    check ((score is null) <> (error is null))
) strict, without rowid;
create index cells_in_error on cells (run_id, error, seq) where error is not null;
create table traces (
    run_id text not null references runs (id) on delete cascade,
    seq integer not null,
    body any not null,
    primary key (run_id, seq)
) strict;
"""

# A trial's example ids are long and asked for one trial at a time, so they stand apart too.
_TRIALS = """
create table trials (
    seq integer primary key,
    run_id text not null references runs (id) on delete cascade,
    trial_order integer not null,
    number integer not null,
    kind text not null,
    candidate text not null,
    done integer not null,
    mean real,
    n_ok integer not null,
    n_error integer not null,
    program_runs integer not null,
    asked_at text not null,
    done_at text,
    unique (run_id, trial_order)
) strict;
create table trial_examples (
    run_id text not null references runs (id) on delete cascade,
    trial_order integer not null,
    body any not null,
    primary key (run_id, trial_order)
) strict;
"""

# Autoincrement: an id is never given twice, and with one writer at a time ids become visible in their order,
# which makes the id a cursor that skips nothing.
_STREAMS = """
create table events (
    id integer primary key autoincrement,
    run_id text not null references runs (id) on delete cascade,
    at text not null,
    kind text not null,
    data any not null
) strict;
create index events_of_run on events (run_id, id);
create table commands (
    id integer primary key autoincrement,
    run_id text not null references runs (id) on delete cascade,
    kind text not null,
    payload any not null,
    sent_at text not null,
    handled_at text
) strict;
create index commands_of_run on commands (run_id, id);
"""


def first_tables(db: Database) -> None:
    """All tables of version 0.1."""
    for script in (_RUNS, _DOCUMENTS, _ARMS, _CELLS, _TRIALS, _STREAMS):
        db.executescript(script)


MIGRATIONS(name="001_first_tables")(first_tables)


def changes_and_notes(db: Database) -> None:
    """What became of a person's changes, who made a demo set, and notes."""
    db.executescript(
        """
        alter table commands add column settled any;
        alter table demo_sets add column provenance any not null default '{}';
        alter table demo_sets add column reason text not null default '';
        create table notes (
            run_id text not null references runs (id) on delete cascade,
            about text not null,
            body text not null,
            at text not null,
            primary key (run_id, about)
        ) strict, without rowid;
        """
    )


MIGRATIONS(name="002_changes_and_notes")(changes_and_notes)


def origin_of_runs(db: Database) -> None:
    """Where a run came from that was not made here: the replay file's words, null for the studio's own."""
    db.execute("alter table runs add column origin text")


MIGRATIONS(name="003_origin_of_runs")(origin_of_runs)


def estimated_tokens(db: Database) -> None:
    """How many of the tokens nobody reported, so that they are an estimate of ours."""
    for table in ("cells", "burns"):
        db.execute(f"alter table {table} add column estimated_tokens integer not null default 0")


MIGRATIONS(name="004_estimated_tokens")(estimated_tokens)


def leases_by_a_steady_clock(db: Database) -> None:
    """The lease and the last beat in seconds since the machine was started, and which start of which machine."""
    db.executescript(
        """
        alter table runs add column lease_steady_s real;
        alter table runs add column beat_steady_s real;
        alter table runs add column lease_machine text;
        alter table runs add column lease_boot text;
        """
    )


MIGRATIONS(name="005_leases_by_a_steady_clock")(leases_by_a_steady_clock)


def what_a_trial_knew(db: Database) -> None:
    """How many earlier trials the decision for a trial knew; null where an older studio did not say."""
    db.execute("alter table trials add column known integer")


MIGRATIONS(name="006_what_a_trial_knew")(what_a_trial_knew)


def life_of_commands(db: Database) -> None:
    """Which life of the run a command was sent to; null where an older studio did not say."""
    db.execute("alter table commands add column life integer")


MIGRATIONS(name="007_life_of_commands")(life_of_commands)


def objective_of_trials(db: Database) -> None:
    """The mean of what the search maximizes over a trial's cells; null where that is the score."""
    db.execute("alter table trials add column objective real")


MIGRATIONS(name="008_objective_of_trials")(objective_of_trials)


def unfinished_runs(db: Database) -> None:
    """Runs that are written or deleted piece by piece: nobody sees them. With the lease of who does it."""
    db.execute(
        "create table unfinished (run_id text primary key references runs (id) on delete cascade, "
        "lease_ends_at text, lease_steady_s real, lease_machine text, lease_boot text) strict"
    )


MIGRATIONS(name="008_unfinished_runs")(unfinished_runs)


def tunings(db: Database) -> None:
    """Tunings of weights. The rows are long and never change once trained on, so they stand apart from the rest."""
    db.executescript(
        """
        create table tunings (
            seq integer primary key,
            run_id text not null references runs (id) on delete cascade,
            number integer not null,
            state text not null,
            job text not null,
            program text not null,
            facts any not null,
            unique (run_id, number)
        ) strict;
        create table tuning_rows (
            run_id text not null references runs (id) on delete cascade,
            number integer not null,
            body any not null,
            primary key (run_id, number)
        ) strict;
        """
    )


MIGRATIONS(name="010_tunings")(tunings)


def one_table_of_arms(db: Database) -> None:
    """Instructions and demo sets become rows of one table, which has room for any kind of arm."""
    db.execute(
        "create table arms ("
        " seq integer primary key,"
        " run_id text not null references runs (id) on delete cascade,"
        " owner text not null,"
        " kind text not null,"
        " arm integer not null,"
        " content any not null,"
        " author text not null,"
        " active integer not null,"
        " reason text not null,"
        " provenance any not null,"
        " unique (run_id, owner, kind, arm)"
        ") strict"
    )
    insert = (
        "insert into arms (run_id, owner, kind, arm, content, author, active, reason, provenance) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    columns = "run_id, predictor, arm, author, active, reason, provenance, text"
    for run_id, owner, index, author, *rest, text in db.execute(f"select {columns} from instructions order by seq"):
        content = to_json({"text": from_text(text)})
        db.execute(insert, [run_id, owner, "instruction", index, content, author, *rest])
    authors = {"zero_shot": "seed", "seed": "seed", "person": "person"}
    columns = "run_id, predictor, arm, active, reason, provenance, kind, demos"
    for run_id, owner, index, *rest, made, demos in db.execute(f"select {columns} from demo_sets order by seq"):
        made = from_text(made)
        content = to_json({"made": made, "demos": from_json(demos)})
        db.execute(insert, [run_id, owner, "demos", index, content, authors.get(made, "model"), *rest])
    db.execute("drop table instructions")
    db.execute("drop table demo_sets")


MIGRATIONS(name="011_one_table_of_arms")(one_table_of_arms)


def seals_of_runs(db: Database) -> None:
    """Digests of what a run holds, written when its worker ends (`seals`)."""
    db.execute(
        "create table seals (run_id text not null references runs (id) on delete cascade, name text not null, "
        "columns text not null, digest text not null, primary key (run_id, name)) strict, without rowid"
    )


MIGRATIONS(name="012_seals_of_runs")(seals_of_runs)


def people_of_runs(db: Database) -> None:
    """Who did what to the runs of a list, without reading all of their events."""
    db.execute("create index people_of_runs on events (run_id, id) where kind = 'person'")


MIGRATIONS(name="013_people_of_runs")(people_of_runs)


MIGRATION_NAMES = frozenset(
    migration.name for migration in MIGRATIONS.pending(Database(memory=True, execute_plugins=False))
)
"""All that this studio knows: a file with any other was written by a newer one."""
