"""The process that trains one adapter, or all weights, with torch, transformers and peft; see `process`.

Rows are written with the model's own chat template. The loss is taken on the answers' tokens. State is kept an epoch,
and a job that was killed goes on from it with the same batches.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers

from mipro_studio.optimizer_core.finetuning.embedded_trainer import JobFolder
from mipro_studio.optimizer_core.finetuning.job import TrainingJob, TrainingRow
from mipro_studio.optimizer_core.finetuning.lora import LoraSettings
from mipro_studio.optimizer_core.finetuning.network import PROJECTIONS
from mipro_studio.optimizer_core.finetuning.peft_trainer import ADAPTER_FOLDER, MODEL_FOLDER, kept_in
from mipro_studio.optimizer_core.finetuning.process import Reporter, worked
from mipro_studio.optimizer_core.finetuning.training import LARGEST_NORM, Step, batches, rate_at

__all__ = ["main"]

IGNORED = -100
"""The label of a token that no loss is taken on."""
STATE = "state.pt"

Encoded = tuple[list[int], int]
"""Token ids of a row, and how many of them are its prompt."""


def main(arguments: list[str]) -> int:
    """Train the job in the folder."""
    return worked(Path(arguments[0]), _train)


def _train(files: JobFolder, job: TrainingJob) -> None:
    torch.manual_seed(job.settings.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(job.base_model)
    rows = [_encoded(tokenizer, row) for row in job.rows]
    model = _model(files, job)
    losses = _fit(files, job, model, rows)
    files.write("progress.json", {"losses": losses, "steps": len(losses)})
    kept = MODEL_FOLDER if job.settings.full else ADAPTER_FOLDER
    if job.settings.full:  # as the base is kept, with all that a server needs
        model.to(transformers.AutoConfig.from_pretrained(job.base_model).dtype or torch.float32)
        tokenizer.save_pretrained(files.folder / kept)
    model.save_pretrained(files.folder / kept)
    files.write("result.json", {"adapter": kept})
    (files.folder / STATE).unlink(missing_ok=True)


def _encoded(tokenizer: Any, row: TrainingRow) -> Encoded:
    """Raises ValueError where the template writes an answer otherwise than behind its prompt."""
    messages = [dict(message) for message in row.messages]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": row.answer}], tokenize=False)
    if not whole.startswith(prompt):
        raise ValueError("the model's chat template does not write an answer behind the prompt that asks for it")
    asked, answered = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, whole[len(prompt) :])
    )
    return [*asked, *answered], len(asked)


def _model(files: JobFolder, job: TrainingJob) -> Any:
    """What is trained: with an adapter its weights alone, else all, in 32 bits: a step of all weights is smaller than
    what 16 bits tell apart."""
    full, on_gpu = job.settings.full, torch.cuda.is_available()
    name = MODEL_FOLDER if full else ADAPTER_FOLDER
    earlier = kept_in(files.folder.parent, job.begins_at, name) if job.begins_at is not None else None
    model = transformers.AutoModelForCausalLM.from_pretrained(
        earlier if full and earlier else job.base_model,
        dtype=torch.bfloat16 if on_gpu and not full else torch.float32,
    )
    if earlier and not full:
        model = peft.PeftModel.from_pretrained(model, earlier, is_trainable=True)
    elif not full:
        model = peft.get_peft_model(model, _lora(job.settings.lora))
    return model.to("cuda" if on_gpu else "cpu").eval()  # no dropout: a resumed training has the same numbers


def _lora(settings: LoraSettings) -> Any:
    every = settings.projections == PROJECTIONS
    return peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules="all-linear" if every else list(settings.projections),
        task_type="CAUSAL_LM",
    )


def _fit(files: JobFolder, job: TrainingJob, model: Any, rows: Sequence[Encoded]) -> list[float]:
    """Train whatever of the model is to be trained. Returns the loss of every step."""
    settings = job.settings
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, weight_decay=0.0)
    losses = _restored(files, model, optimizer)
    report, total = Reporter(files), settings.steps(len(rows))
    for number, chosen in enumerate(batches(len(rows), settings), start=1):
        if number <= len(losses):
            continue
        for group in optimizer.param_groups:
            group["lr"] = rate_at(settings, number, total)
        loss = model(**_batch([rows[index] for index in chosen], model.device)).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, LARGEST_NORM)
        optimizer.step()
        losses.append(float(loss.detach()))
        if number * settings.epochs % total == 0 and number < total:
            _save(files, model, optimizer, losses)
        report(Step(number, total, losses[-1]))
    return losses


def _batch(rows: Sequence[Encoded], device: Any) -> dict[str, Any]:
    """Rows beside each other, filled up to the longest."""
    longest = max(len(tokens) for tokens, _ in rows)
    shape = (len(rows), longest)
    tokens, seen, labels = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, IGNORED, np.int64)
    for place, (ids, n_prompt) in enumerate(rows):
        tokens[place, : len(ids)] = ids
        seen[place, : len(ids)] = 1
        labels[place, n_prompt : len(ids)] = ids[n_prompt:]
    made = {"input_ids": tokens, "attention_mask": seen, "labels": labels}
    return {name: torch.from_numpy(values).to(device) for name, values in made.items()}


def _save(files: JobFolder, model: Any, optimizer: Any, losses: list[float]) -> None:
    """Write the state aside, then rename it."""
    part = files.folder / f".{STATE}.part"
    adapted = isinstance(model, peft.PeftModel)
    weights = peft.get_peft_model_state_dict(model) if adapted else model.state_dict()
    state = {"weights": weights, "optimizer": optimizer.state_dict(), "losses": losses}
    with part.open("wb") as out:
        torch.save(state, out)
        out.flush()
        os.fsync(out.fileno())
    part.replace(files.folder / STATE)


def _restored(files: JobFolder, model: Any, optimizer: Any) -> list[float]:
    """Losses of the steps that are in the state, put into model and optimizer; none where there is no state."""
    if not (files.folder / STATE).exists():
        return []
    state = torch.load(files.folder / STATE, map_location=model.device, weights_only=True)
    if isinstance(model, peft.PeftModel):
        peft.set_peft_model_state_dict(model, state["weights"])
    else:
        model.load_state_dict(state["weights"])
    optimizer.load_state_dict(state["optimizer"])
    return list(state["losses"])
