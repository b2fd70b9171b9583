"""`synth doctor` and `synth chat` as typed: what they print, what they advise, how they fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from served import ServedTeacher
from typer.testing import CliRunner, Result

from synth.cli.chat import chat, model_options, student_folder
from synth.cli.common import safe
from synth.cli.doctor import doctor
from synth.errors import UsageError


def command(function: object, *words: str, stdin: str = "") -> Result:
    app = typer.Typer()
    app.command()(function)  # type: ignore[type-var]
    return CliRunner().invoke(app, list(words), input=stdin)


def test_a_good_teacher_gets_figures_for_everything() -> None:
    done = command(doctor, "--teacher", "embedded", "--requests", "8", "--json")
    assert done.exit_code == 0, done.output
    findings = {one["name"]: one for one in json.loads(done.stdout)["findings"]}
    assert {one["state"] for one in findings.values()} == {"fine"}
    assert findings["throughput"]["figures"]["at_once"]["failed"] == 0
    assert findings["throughput"]["figures"]["at_once"]["tokens_per_s"] > 0


def test_a_served_teacher_is_looked_at_and_said_in_a_table() -> None:
    with ServedTeacher("--latency-ms", "50") as served:
        done = command(doctor, "--base-url", served.url, "--teacher", f"openai:{served.model}", "--requests", "8")
    assert done.exit_code == 0 and "throughput" in done.output and "tokens/s" in done.output


def test_a_server_without_parallel_slots_is_noticed() -> None:
    with ServedTeacher("--latency-ms", "60", "--max-concurrency", "1", "--queue") as served:
        done = command(doctor, "--base-url", served.url, "--teacher", f"openai:{served.model}", "--requests", "8")
    assert done.exit_code == 0 and "hardly works in parallel" in " ".join(done.output.split())


def test_a_look_at_a_teacher_keeps_to_a_cap_and_says_what_it_cost() -> None:
    words = ["--teacher", "embedded", "--requests", "4", "--price", "embedded=1/4"]
    done = command(doctor, *words, "--max-cost", "1", "--json")
    assert done.exit_code == 0 and 0 < json.loads(done.stdout)["cost"] < 1
    assert command(doctor, *words, "--max-cost", "0.000001").exit_code == 4
    assert command(doctor, *words[:-2], "--max-cost", "1").exit_code == 2  # a cap without a price


def test_an_endpoint_that_does_not_answer_exits_1_with_the_reason() -> None:
    done = command(doctor, "--teacher", "openai:m", "--base-url", "http://127.0.0.1:9/v1", "--json")
    assert done.exit_code == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["state"] == "broken" and "base_url" in finding["advice"]
    told = command(doctor, "--teacher", "openai:m", "--base-url", "http://127.0.0.1:9/v1")
    assert told.exit_code == 1 and "Nothing to change" not in told.output and "no run can work" in told.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--teacher", "embedded", "--option", "nonsense"], "key=value"),
        (["--teacher", "openai:m", "--option", "base_urll=x"], "base_url"),
        (["--teacher", "vllm:m", "--option", "gpu_memory_utilization=9"], "share between 0 and 1"),
        (["recipe.yaml", "--teacher", "embedded"], "not both"),
    ],
)
def test_wrong_flags_exit_2(words: list[str], said: str) -> None:
    done = command(doctor, *words)
    assert done.exit_code == 2 and said in done.output


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with an untrained student of a few thousand weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("run") / "student"
    words = ["<end>", "<pad>", "red", "\x1b[31mgreen", "blue"]
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<pad>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    template = "{% for m in messages %}{{ m['content'] }} {% endfor %}"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<end>", pad_token="<pad>", chat_template=template
    )
    config = LlamaConfig(
        vocab_size=5, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, eos_token_id=0,
        bos_token_id=None, pad_token_id=1, max_position_embeddings=512,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder.parent


def test_a_student_answers_once_and_its_words_cannot_steer_the_terminal(student: Path) -> None:
    done = command(chat, str(student), "red blue", "--max-tokens", "30", "--temperature", "1", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["answer"] and found["completion_tokens"] <= 30
    plain = command(chat, str(student), "red blue", "--max-tokens", "30", "--temperature", "1")
    assert plain.stdout.strip() == safe(found["answer"]).strip() and "\x1b" not in plain.stdout


def test_a_question_can_come_by_a_pipe(student: Path) -> None:
    done = command(chat, str(student), "--max-tokens", "5", stdin="red blue\n")
    assert done.exit_code == 0, done.output
    assert command(chat, str(student), stdin=" ").exit_code == 2


def test_what_holds_no_student_exits_2(tmp_path: Path) -> None:
    done = command(chat, str(tmp_path), "hello")
    assert done.exit_code == 2 and "synth train" in done.output


def test_vllm_gets_an_adapter_with_its_base(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base", "r": 8}')
    options = model_options(student_folder(tmp_path), "vllm", ".venv-vllm")
    assert options == {"executable": ".venv-vllm", "model": "org/base", "lora_modules": {"student": str(tmp_path)}}
    with pytest.raises(UsageError):
        model_options(tmp_path, "transformers", ".venv-vllm")
