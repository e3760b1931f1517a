"""Rows of the official data sets -> rows as the tasks read them. `split`: train, dev, test, or "" (none official)."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    *("conditional_row", "gsm8k_row", "heart_row", "hotpotqa_row", "hover_row", "passages"),
    *("scone_row", "sst2_row", "trec_row"),
]

Row = dict[str, Any]

_HEART: Final[dict[str, dict[str, str]]] = {
    "sex": {"0": "female", "1": "male"},
    "cp": {"1": "typical angina", "2": "atypical angina", "3": "non-anginal pain", "4": "asymptomatic"},
    "restecg": {"0": "normal", "1": "ST-T wave abnormality", "2": "left ventricular hypertrophy"},
    "exang": {"0": "no", "1": "yes"},
    "slope": {"1": "upsloping", "2": "flat", "3": "downsloping"},
    "thal": {"3": "normal", "6": "fixed defect", "7": "reversible defect"},
    "fbs": {"0": "false", "1": "true"},
}
"""DSPy's own decoding of the codes, with `fbs` in the words of its field's description."""

_TREC: Final = {
    "ABBR": "abbreviation",
    "ENTY": "entity",
    "DESC": "description",
    "HUM": "human",
    "LOC": "location",
    "NUM": "number",
}
_TREC_ORDER: Final = ("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM")


def hotpotqa_row(row: Row, split: str) -> Row:
    gold = list(dict.fromkeys(row["supporting_facts"]["title"]))
    return {"question": row["question"], "answer": row["answer"], "gold_titles": gold, "split": split}


def passages(row: Row) -> list[Row]:
    """The paragraphs that come with a HotPotQA question."""
    context = row["context"]
    pairs = zip(context["title"], context["sentences"], strict=True)
    return [{"title": title, "text": "".join(sentences).strip()} for title, sentences in pairs]


def conditional_row(row: Row, split: str) -> Row:
    return {
        "question": row["question"],
        "answer": str(row["answer"]),
        "answer_category": str(row["answer category"]),
        "split": split,
    }


def hover_row(row: Row, split: str) -> Row | None:
    """None for claims that do not rest on exactly three articles: the paper leaves those out."""
    gold = list(dict.fromkeys(fact[0] for fact in row["supporting_facts"]))
    if len(gold) != 3:
        return None
    return {"claim": row["claim"], "gold_titles": gold, "hpqa_id": row["hpqa_id"], "split": split}


def scone_row(row: Row, split: str, category: str, number: int) -> Row:
    """`one_scoped` comes from an older set and has other column names."""
    end = "" if category == "one_scoped" else "_edited"
    hypothesis = row[f"sentence2{end}"]
    stated = hypothesis[0].lower() + hypothesis[1:].strip(".")
    return {
        "context": row[f"sentence1{end}"],
        "question": f"Can we logically conclude for sure that {stated}?",
        "answer": "Yes" if row[f"gold_label{end}"] == "entailment" else "No",
        "category": category,
        "set_id": f"{split}-{number}",
        "split": split,
    }


def gsm8k_row(row: Row, split: str) -> Row:
    answer = row["answer"].rpartition("####")[2].strip().replace(",", "")
    return {"question": row["question"], "answer": answer, "split": split}


def heart_row(row: Row, split: str) -> Row:
    made = {name: _HEART.get(name, {}).get(str(value), str(value)) for name, value in row.items() if name != "target"}
    return {**made, "answer": "yes" if int(row["target"]) > 0 else "no"}


def sst2_row(row: Row, split: str) -> Row:
    return {"text": row["text"], "label": "positive" if row["label"] == 1 else "negative", "split": split}


def trec_row(row: Row, split: str) -> Row:
    label = row["coarse_label"]
    return {
        "text": row["text"],
        "label": _TREC[_TREC_ORDER[label] if isinstance(label, int) else label],
        "split": split,
    }
