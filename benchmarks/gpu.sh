#!/bin/bash
# What only a GPU shows, in at most nine minutes: decoding at 8B with random weights against the plain
# loop, and 20 steps of rediff-8b-lora beside --plan. `benchmarks/gpu.sh --toy` rehearses it on a CPU.
# The output is kept in results/speed/, named after the card.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
if [ "${1:-}" = "--toy" ]; then
  $python benchmarks/decode.py --shape toy --prompt 60 --steps 4 --batch 2 --checked 2 --repeats 1
  $python benchmarks/decode.py --shape toy --prompt 60 --steps 4 --batch 2 --checked 1 --repeats 1 --dtype bfloat16
  $python benchmarks/train_step.py --shape toy --steps 12 --batch 2
  exit
fi
card=$($python -c "import torch; print(torch.cuda.get_device_name().lower().replace(' ', '-'))")
mkdir -p results/speed
{
  echo "# $card"
  echo
  echo "Made by \`benchmarks/gpu.sh\` on $(date -I)."
  timeout 240 $python benchmarks/decode.py --shape 8b --prompt 3670 --steps 8 --batch 4 --checked 1 \
    --repeats 2 --device cuda --dtype bfloat16 || echo "decoding ended with $? (124: out of time)"
  timeout 280 $python benchmarks/train_step.py --shape 8b --steps 20 --batch 8 \
    || echo "training ended with $? (124: out of time)"
} | tee "results/speed/$card.md"
