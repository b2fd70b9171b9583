"""A random LoRA adapter for a model, large enough to change its answers. Not a test itself.

python tests/vllm/adapter.py MODEL FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

RANK = 8
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]


def save_adapter(model: Path, folder: Path) -> None:
    """Write an adapter for the attention of `model`; the folder appears only when it is whole."""
    torch.manual_seed(0)
    with torch.device("meta"):
        modules = dict(AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model)).named_modules())
    weights = {}
    for path, module in modules.items():
        if path.rpartition(".")[2] in TARGETS:
            key = f"base_model.model.{path}"
            weights[f"{key}.lora_A.weight"] = torch.randn(RANK, module.in_features) * 0.1
            weights[f"{key}.lora_B.weight"] = torch.randn(module.out_features, RANK) * 0.1
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": RANK, "lora_alpha": 16, "target_modules": TARGETS}
    unfinished = folder.with_name(folder.name + ".part")
    unfinished.mkdir(parents=True, exist_ok=True)
    save_file(weights, unfinished / "adapter_model.safetensors")
    (unfinished / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(model)}))
    unfinished.rename(folder)


if __name__ == "__main__":
    save_adapter(Path(sys.argv[1]), Path(sys.argv[2]))
