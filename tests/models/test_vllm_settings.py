"""The vLLM backend without vLLM: settings, command lines, checks of the machine, and the load it reads."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from synth.errors import UsageError
from synth.models import check_options, connect
from synth.models.vllm import Settings, metrics, one_each, settings
from synth.recipe import read_recipe

FAKE = Path(__file__).parent / "fake_vllm.py"
QUIET = "--disable-uvicorn-access-log"


def words(executable: str, **options: Any) -> str:
    return " ".join(settings.command_line(Settings("org/model", executable=executable, device="gpu", **options), 8000))


# -- settings and command line ---------------------------------------------------------------------------------------


def test_one_line_is_enough_and_leaves_all_else_to_vllm(vllm: str) -> None:
    line = words(vllm)
    assert line.removesuffix(f" {QUIET}") == (
        f"{vllm}/bin/vllm serve org/model --host 127.0.0.1 --port 8000 --served-model-name org/model"
    )


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"tensor_parallel_size": 2, "data_parallel_size": 4}, "--tensor-parallel-size 2 --data-parallel-size 4"),
        ({"pipeline_parallel_size": 2}, "--pipeline-parallel-size 2"),
        ({"max_model_len": 8192, "dtype": "bfloat16"}, "--dtype bfloat16 --max-model-len 8192"),
        ({"quantization": "awq_marlin", "kv_cache_dtype": "fp8"}, "--quantization awq_marlin --kv-cache-dtype fp8"),
        ({"gpu_memory_utilization": 0.85}, "--gpu-memory-utilization 0.85"),
        ({"enable_prefix_caching": True}, "--enable-prefix-caching"),
        ({"enable_prefix_caching": False}, "--no-enable-prefix-caching"),
        ({"enable_chunked_prefill": False, "enforce_eager": True}, "--no-enable-chunked-prefill --enforce-eager"),
        ({"max_num_seqs": 512, "max_num_batched_tokens": 16384}, "--max-num-seqs 512 --max-num-batched-tokens 16384"),
        ({"reasoning_parser": "qwen3", "seed": 7}, "--reasoning-parser qwen3 --seed 7"),
        ({"chat_template": "t.jinja", "trust_remote_code": True}, "--trust-remote-code --chat-template t.jinja"),
        ({"revision": "abc", "tokenizer": "org/t"}, "--revision abc --tokenizer org/t"),
        ({"generation_config": "vllm"}, "--generation-config vllm"),
        (
            {"lora_modules": {"a": "org/a"}, "max_lora_rank": 8},
            "--enable-lora --max-lora-rank 8 --lora-modules a=org/a",
        ),
        ({"extra_args": ["--swap-space", "8"]}, "--swap-space 8"),
        ({"lora_modules": {"ada": "org/lora"}}, "--enable-lora --max-lora-rank 16 --lora-modules ada=org/lora"),
    ],
)
def test_settings_become_the_flags_of_the_same_name(vllm: str, options: dict[str, Any], flags: str) -> None:
    check_options("vllm", {"model": "org/model"} | options)
    line = words(vllm, **options).replace(f" {QUIET}", "")
    assert line.endswith(" " + flags)


def test_the_example_for_one_gpu_starts_the_server_it_says(vllm: str) -> None:
    recipe = read_recipe(FAKE.parent.parent.parent / "examples" / "vllm.yaml")
    found = check_options("vllm", recipe.teacher.options | {"executable": vllm, "device": "gpu"})
    assert " ".join(settings.command_line(found, 8000)).removesuffix(f" {QUIET}") == (
        f"{vllm}/bin/vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --port 8000 --served-model-name Qwen/Qwen3-8B"
        " --dtype bfloat16 --max-model-len 8192 --gpu-memory-utilization 0.92 --enable-prefix-caching"
        " --reasoning-parser qwen3"
    )


def test_a_cpu_keeps_prompts_whole_and_does_not_compile(vllm: str, tmp_path: Path) -> None:
    line = " ".join(settings.command_line(Settings("org/m", executable=vllm, device="cpu", max_model_len=8192), 1))
    assert "--no-enable-chunked-prefill" in line and "--max-num-batched-tokens 8192" in line
    assert "--enforce-eager" in line
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "config.json").write_text('{"max_position_embeddings": 2048}')
    small = settings.command_line(Settings(str(tmp_path / "small"), executable=vllm, device="cpu"), 1)
    assert small[small.index("--max-model-len") + 1] == "2048"
    own = settings.command_line(Settings("org/m", executable=vllm, device="cpu", enable_chunked_prefill=True), 1)
    assert "--enable-chunked-prefill" in own and "--max-num-batched-tokens" not in own


@pytest.mark.parametrize(("width", "dtype"), [(64, "float32"), (256, "float32"), (576, None)])
def test_a_cpu_computes_tiny_models_in_float32(vllm: str, tmp_path: Path, width: int, dtype: str | None) -> None:
    (tmp_path / "config.json").write_text(f'{{"hidden_size": {width}}}')
    line = settings.command_line(Settings(str(tmp_path), executable=vllm, device="cpu"), 1)
    assert (line[line.index("--dtype") + 1] if "--dtype" in line else None) == dtype
    chosen = settings.command_line(Settings(str(tmp_path), executable=vllm, device="cpu", dtype="bfloat16"), 1)
    assert chosen[chosen.index("--dtype") + 1] == "bfloat16"


def test_the_rank_for_adapters_is_read_from_them(vllm: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"r": 48}')
    assert "--max-lora-rank 64" in words(vllm, lora_modules={"ada": str(tmp_path)})
    assert Settings("m", lora_modules={"ada": "x"}).name == "ada"


def test_the_key_is_in_the_environment_and_not_on_the_command_line(vllm: str) -> None:
    found = settings.server_environment(Settings("m", executable=vllm, env={"A": "1"}), "secret")
    assert found["VLLM_API_KEY"] == "secret" and found["A"] == "1" and "PYTHONPATH" not in found
    assert found["PATH"].startswith(f"{vllm}/bin")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": ""}, "a model is needed"),
        ({"gpu_memory_utilization": 90}, "share between 0 and 1"),
        ({"tensor_parallel_size": 0}, "tensor_parallel_size must be above 0"),
        ({"max_model_length": 5}, "did you mean 'max_model_len'"),
        ({"dtype": "fp16"}, "dtype"),
        ({"extra_args": ["--port", "1"]}, "--port is set by synth itself"),
        ({"extra_args": ["--max_model_len=5"]}, "has a setting of its own, max_model_len"),
        ({"base_url": "http://gpu:8000/v1", "tensor_parallel_size": 2}, "names one that runs already"),
        ({"base_url": "http://gpu:8000"}, "must end in /v1"),
        ({"base_url": "http://gpu/v1", "base_urls": ["http://gpu/v1"]}, "not both"),
        ({"base_urls": ["http://gpu/v1", "http://gpu/v1/"]}, "names http://gpu/v1 twice"),
        ({"base_url": "http://gpu/v1", "num_servers": 2}, "base_url names some that run already"),
        ({"num_servers": 0}, "num_servers must be above 0"),
        ({"num_servers": 2, "env": {"CUDA_VISIBLE_DEVICES": "0"}}, "set CUDA_VISIBLE_DEVICES outside"),
        ({"extra_body": {"guided_choice": ["a"]}}, "structured_outputs: {choice"),
        ({"lora_modules": {"a": "x", "b": "y"}}, "say by adapter which one"),
        ({"lora_modules": {"a": "x"}, "adapter": "b"}, "not in lora_modules"),
        (
            {"enable_chunked_prefill": False, "max_num_batched_tokens": 512, "max_model_len": 1024},
            "must reach max_model_len",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_starts(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        connect("vllm", {"model": "org/model"} | options)
    assert said in raised.value.message + raised.value.hint


def test_the_machine_is_checked_before_the_start(vllm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusal(**options: Any) -> str:
        with pytest.raises(UsageError) as raised:
            settings.check_machine(Settings(**{"model": "org/model", "executable": vllm} | options))
        return raised.value.message + raised.value.hint

    config = {"num_attention_heads": 6, "max_position_embeddings": 2048, "hidden_size": 6 * 16}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "executable: .venv-vllm" in refusal(executable=str(tmp_path / "nowhere"))
    assert "there is no" in refusal(model="./missing")
    assert "does not divide" in refusal(model=str(tmp_path), tensor_parallel_size=4, device="gpu")
    assert "more than the 2048" in refusal(model=str(tmp_path), max_model_len=4096, device="gpu")
    assert "heads are 16 wide" in refusal(model=str(tmp_path), device="cpu")
    assert "does not exist" in refusal(chat_template="missing.jinja")
    assert "adapter_config.json" in refusal(lora_modules={"a": str(tmp_path)})
    monkeypatch.setattr(settings, "count_gpus", lambda: 2)
    assert "4 GPUs, this machine shows 2" in refusal(tensor_parallel_size=4)
    settings.check_machine(Settings("m", executable=vllm, tensor_parallel_size=4, extra_args=("--nnodes", "2")))


def test_the_endpoint_tells_answers_apart_and_nothing_else(tmp_path: Path) -> None:
    plain = Settings("org/m").endpoint
    assert plain == "vllm:org/m"
    same = {"tensor_parallel_size": 2, "max_model_len": 99, "executable": "x", "gpu_memory_utilization": 0.5, "env": {}}
    assert Settings("org/m", **same).endpoint == plain  # type: ignore[arg-type]
    assert Settings("org/m", base_url="http://a:1/v1").endpoint == plain
    other: list[dict[str, Any]] = [{"quantization": "fp8"}, {"dtype": "float32"}, {"lora_modules": {"a": "b"}}]
    assert len({plain, *(Settings("org/m", **one).endpoint for one in other)}) == 4
    (tmp_path / "model.safetensors").write_bytes(b"first weights")
    first = Settings(str(tmp_path)).endpoint
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    assert Settings(str(tmp_path)).endpoint != first


def test_each_managed_server_gets_the_gpus_it_needs_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.models.vllm.visible_gpus", lambda: list("01234567"))
    about = Settings("org/model", tensor_parallel_size=2, data_parallel_size=2, num_servers=2)
    gpus = [one.env["CUDA_VISIBLE_DEVICES"] for one in one_each(about)]
    assert gpus == ["0,1,2,3", "4,5,6,7"]
    monkeypatch.setattr("synth.models.vllm.visible_gpus", list)
    assert [one.env for one in one_each(about)] == [{"SYNTH_SERVER": "0"}, {"SYNTH_SERVER": "1"}]
    assert Settings("org/model", num_servers=2).endpoint == Settings("org/model").endpoint


def test_running_servers_of_a_model_are_asked_one_by_one() -> None:
    urls = ("http://a/v1", "http://b/v1")
    assert [one.urls for one in one_each(Settings("org/model", base_urls=urls))] == [urls[:1], urls[1:]]


# -- load ------------------------------------------------------------------------------------------------------------


def test_the_load_is_read_from_prometheus_text() -> None:
    text = runpy.run_path(str(FAKE))["METRICS"]

    load = metrics.read_load(text)
    assert load is not None and (load.running, load.waiting, load.kv_use) == (8, 56, 0.25)
    assert (load.prefix_hits, load.prefix_queries, load.generated_tokens) == (128, 241, 1500)
    two = metrics.read_load(text + text.replace('engine="0"', 'engine="1"').replace("0.25", "0.75"))
    assert two is not None and (two.running, two.kv_use) == (16, 0.75)


@pytest.mark.parametrize("text", ["", "<html>not metrics</html>", "vllm:num_requests_running{} NaN\n", "up 1\n"])
def test_what_is_no_load_gives_none(text: str) -> None:
    assert metrics.read_load(text) is None
