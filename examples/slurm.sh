#!/usr/bin/env bash
# Data on one node and a student on all of them: sbatch examples/slurm.sh
# The working folder must be on a disk that all nodes see.
#SBATCH --job-name=synth
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
set -euo pipefail

export RUN=${RUN:-runs/slurm} MODEL=${MODEL:-Qwen/Qwen3-8B}
HOST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export HOST

# The data: one process asks; a job that was cut off goes on by being submitted again.
srun --nodes=1 --ntasks=1 synth run examples/vllm.yaml --run "$RUN"

# The student: one `synth train` on each node, each of which starts a process for each of its GPUs.
srun bash -c 'synth train "$RUN" --preset alpaca-7b --model "$MODEL" --num-processes 8 \
  --num-hosts "$SLURM_NNODES" --host-rank "$SLURM_NODEID" --rendezvous "$HOST:29500"'

# Its examination needs one GPU.
srun --nodes=1 --ntasks=1 synth evaluate "$RUN"
