"""Tuning with torch, transformers and peft: a tiny random model from a folder, and the server that answers with it.

What needs torch is skipped where the extra is not installed, as in CI.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetune_spec import FinetuneSettings
from mipro_studio.optimizer_core.finetuning import peft_trainer
from mipro_studio.optimizer_core.finetuning.embedded_trainer import JobFolder
from mipro_studio.optimizer_core.finetuning.forecast import tuning_forecast
from mipro_studio.optimizer_core.finetuning.job import (
    JobPhase,
    JobStatus,
    TrainerRefused,
    TrainerUnavailable,
    TrainerWaits,
    TrainingJob,
    TrainingRow,
)
from mipro_studio.optimizer_core.finetuning.lora import LoraSettings
from mipro_studio.optimizer_core.finetuning.peft_trainer import PeftTrainer
from mipro_studio.optimizer_core.finetuning.trainers import trainer_choice, trainer_for, training_settings
from mipro_studio.optimizer_core.finetuning.training import TrainingSettings

ANSWERS = ("billing", "delivery", "returns")
SETTINGS = TrainingSettings(epochs=20, batch_size=9, learning_rate=0.02, lora=LoraSettings(rank=8))
FULL = SETTINGS.model_copy(update={"full": True, "learning_rate": 0.01})
ROWS = tuple(
    TrainingRow(({"role": "user", "content": f"message {n}"},), ANSWERS[n % 3], "decide", str(n)) for n in range(9)
)


class Server:
    """What serves the task model: its models, adapters as they are given to it, and folders that it is asked for."""

    def __init__(self) -> None:
        self.loaded: dict[str, str] = {}
        self.reads_folders = False
        self.asked: list[str] = []
        self.status = 200
        self.url = ""

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append(path)
        if self.status != 200:
            return self.status, {"error": {"message": "LoRA updating is off"}}
        if path == "/v1/load_lora_adapter":
            self.loaded[body["lora_name"]] = body["lora_path"]
        if path == "/v1/chat/completions":
            if not self.reads_folders:
                return 404, {"error": {"message": f"The model {body['model']} does not exist."}}
            self.loaded[body["model"]] = body["model"]
        return 200, {"data": [{"id": name} for name in ("base", *self.loaded)]}


@pytest.fixture
def server() -> Iterator[Server]:
    known = Server()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, told = known.answer(self.path, body)
            sent = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = _answer

        def log_message(self, *given: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    known.url = f"http://127.0.0.1:{http.server_port}/v1"
    yield known
    http.shutdown()
    http.server_close()


def config(**finetune: Any) -> RunConfig:
    task = {"model": "openai/base", "api_base": "http://127.0.0.1:9/v1"}
    return parse_config({"program": "a:b", "task_model": task, "finetune": {"trainer": "peft", **finetune}})


def test_what_peft_needs_is_said_before_anything_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peft_trainer, "find_spec", lambda name: None if name == "peft" else object())
    for asked, said in (
        (config(), "needs the weights"),
        (config(base="folder", first_layer=2), "embedded model only"),
        (config(base="folder", method="full", projections=["q_proj"]), "low-rank adapter"),
        (config(base="folder"), "not installed: peft"),
    ):
        with pytest.raises(BadInput, match=said):
            trainer_choice(asked)
    monkeypatch.setattr(peft_trainer, "find_spec", lambda name: object())
    choice = trainer_choice(config(base="folder"))
    assert (choice.base_model, choice.leaves) == ("folder", False)
    assert isinstance(trainer_for(config(base="folder"), tmp_path), PeftTrainer)
    assert "Nothing leaves this machine" in tuning_forecast(config(base="folder"), 1, 10, 100.0)["text"]


def test_a_job_has_succeeded_once_its_adapter_is_served_and_is_given_to_the_server_once(
    server: Server, tmp_path: Path
) -> None:
    trainer, job = PeftTrainer(tmp_path, server.url, "none"), TrainingJob("job-1", "base", ROWS, SETTINGS)
    files = JobFolder(tmp_path / job.id)
    files.folder.mkdir()
    files.save_job(job)
    files.write("result.json", {"adapter": "adapter"})
    server.status = 503
    with pytest.raises(TrainerUnavailable, match="503"):
        trainer.status(job)
    server.status = 403
    with pytest.raises(TrainerRefused, match="LoRA updating is off"):
        trainer.status(job)
    server.status = 200
    for _ in range(2):
        status = trainer.status(job)
        assert (status.phase, status.tuned, status.cost_usd) == (JobPhase.SUCCEEDED, "job-1", 0.0)
    assert server.loaded == {"job-1": str(tmp_path / "job-1" / "adapter")}
    assert server.asked.count("/v1/load_lora_adapter") == 1


def ended(folder: Path, job: TrainingJob) -> None:
    """As if the job's process had ended well."""
    files = JobFolder(folder / job.id)
    files.folder.mkdir()
    files.save_job(job)
    files.write("result.json", {"adapter": "model"})


def test_a_whole_model_is_asked_for_by_its_folder_or_by_the_name_that_a_person_gave_it(
    server: Server, tmp_path: Path
) -> None:
    trainer, job = PeftTrainer(tmp_path, server.url, "none"), TrainingJob("job-1", "base", ROWS, FULL)
    ended(tmp_path, job)
    folder = str(tmp_path / "job-1" / "model")
    with pytest.raises(TrainerWaits, match=folder) as waits:
        trainer.status(job)
    assert "job-1" in waits.value.hint
    assert "/v1/load_lora_adapter" not in server.asked
    server.reads_folders = True
    assert trainer.status(job).tuned == folder
    assert trainer.status(job).tuned == folder
    assert server.asked.count("/v1/chat/completions") == 2, "asked for until it is there"
    server.loaded = {"job-1": folder}
    assert trainer.status(job).tuned == "job-1"


def test_all_weights_are_tuned_by_peft_alone_and_at_a_rate_of_their_own() -> None:
    with pytest.raises(BadInput, match="for the trainer peft"):
        trainer_choice(parse_config({"program": "a:b", "finetune": {"method": "full"}}))
    asked_for = (({}, False, 8e-4), ({"method": "full"}, True, 1e-5), ({"learning_rate": 0.1}, False, 0.1))
    for asked, full, rate in asked_for:
        told = training_settings(FinetuneSettings(**asked), seed=0)
        assert (told.full, told.learning_rate) == (full, rate)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A random network of two layers with a tokenizer of words, as transformers saves them."""
    pytest.importorskip("peft")
    import tokenizers
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("tiny")
    words = ["<pad>", "<end>", "<user>", "<assistant>", "message", *ANSWERS, *map(str, range(10))]
    plain = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<pad>")
    )
    plain.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<end>")
    made.chat_template = (
        "{% for m in messages %}<{{ m.role }}> {{ m.content }} <end> {% endfor %}"
        "{% if add_generation_prompt %}<assistant> {% endif %}"
    )
    made.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    transformers.LlamaForCausalLM(
        transformers.LlamaConfig(vocab_size=len(words), num_key_value_heads=2, initializer_range=0.3, **sizes)
    ).save_pretrained(folder)
    return str(folder)


def waited(
    trainer: PeftTrainer, job: TrainingJob, until: Callable[[JobStatus], bool] = lambda status: status.phase.over
) -> JobStatus:
    deadline = time.monotonic() + 240
    while not until(status := trainer.status(job)):
        assert time.monotonic() < deadline, status
        time.sleep(0.05)
    return status


@pytest.mark.timeout(300)
def test_an_adapter_is_trained_and_loads_with_peft_alone(tiny: str, server: Server, tmp_path: Path) -> None:
    import peft
    import transformers

    trainer, job = PeftTrainer(tmp_path, server.url, "none"), TrainingJob("job-1", tiny, ROWS, SETTINGS)
    assert trainer.status(job).phase is JobPhase.UNSENT
    trainer.submit(job)
    trainer.submit(job)
    status = waited(trainer, job)
    assert status.phase is JobPhase.SUCCEEDED, status
    assert (status.step, status.steps, len(status.losses)) == (20, 20, 20)
    assert status.losses[-1] < status.losses[0] / 4
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny)
    assert right_answers(peft.PeftModel.from_pretrained(model, server.loaded["job-1"]), tiny) >= 8


def right_answers(model: Any, folder: str) -> int:
    """Of `ROWS`, asked of a model with the tokenizer in the folder."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    right = 0
    for row in ROWS:
        prompt = tokenizer.apply_chat_template(list(row.messages), add_generation_prompt=True, tokenize=False)
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            right += tokenizer.decode([int(model(input_ids=ids).logits[0, -1].argmax())]) == row.answer
    return right


@pytest.mark.timeout(300)
def test_all_weights_are_trained_and_load_with_transformers_alone(tiny: str, server: Server, tmp_path: Path) -> None:
    import transformers

    server.reads_folders = True
    trainer, job = PeftTrainer(tmp_path, server.url, "none"), TrainingJob("job-1", tiny, ROWS, FULL)
    trainer.submit(job)
    status = waited(trainer, job)
    assert status.phase is JobPhase.SUCCEEDED, status
    assert status.losses[-1] < status.losses[0] / 4
    assert status.tuned == str(tmp_path / "job-1" / "model")
    base, tuned = (transformers.AutoModelForCausalLM.from_pretrained(one) for one in (tiny, status.tuned))
    assert right_answers(base, tiny) < 8 <= right_answers(tuned, status.tuned)
    changed = [name for name, one in tuned.named_parameters() if not one.equal(base.get_parameter(name))]
    assert len(changed) == len(list(base.named_parameters())), "every weight has moved"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("settings", [SETTINGS, FULL], ids=["lora", "full"])
def test_a_killed_job_ends_alike_and_another_goes_on_from_what_it_came_to(
    tiny: str, server: Server, tmp_path: Path, settings: TrainingSettings
) -> None:
    server.reads_folders = True
    trainer = PeftTrainer(tmp_path, server.url, "none")
    whole, killed = (TrainingJob(name, tiny, ROWS, settings) for name in ("whole", "killed"))
    trainer.submit(whole)
    end = waited(trainer, whole)
    trainer.submit(killed)
    files = JobFolder(tmp_path / "killed")
    waited(trainer, killed, lambda status: (files.folder / "state.pt").exists() or status.phase.over)
    with suppress(ProcessLookupError):  # a machine on which twenty epochs take less than one look
        os.kill(files.read("process.json")["pid"], signal.SIGKILL)
    resumed = waited(trainer, killed)
    assert resumed.losses == pytest.approx(end.losses, rel=1e-4)
    further = TrainingJob("further", tiny, ROWS, settings, resumed.tuned)
    trainer.submit(further)
    assert waited(trainer, further).losses[0] < end.losses[0] / 4, "it begins where the other ended"
    with pytest.raises(TrainerRefused, match="not there any more"):
        trainer.submit(TrainingJob("lost", tiny, ROWS, settings, "gone"))


@pytest.mark.timeout(300)
def test_what_cannot_be_trained_fails_in_words(tiny: str, server: Server, tmp_path: Path) -> None:
    trainer = PeftTrainer(tmp_path, server.url, "none")
    wrong = SETTINGS.model_copy(update={"lora": LoraSettings(projections=("no_such_map",))})
    job = TrainingJob("wrong", tiny, ROWS, wrong)
    trainer.submit(job)
    status = waited(trainer, job)
    assert status.phase is JobPhase.FAILED
    assert "no_such_map" in status.message
