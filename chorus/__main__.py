"""``python -m chorus``, which is how torchrun starts it: torchrun --nproc_per_node=2 -m chorus distill."""

from chorus.cli import main

if __name__ == "__main__":
    main()
