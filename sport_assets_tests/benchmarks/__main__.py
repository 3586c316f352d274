"""`python -m sport_assets_tests.benchmarks [NAME ...]`: runs every benchmark (or those named) and prints its figures.

Each `bench_*.py` has a `main()` that compares variants in one run. Nothing here fails on a slow machine.
"""

import importlib
import pkgutil
import sys

import sport_assets_tests.benchmarks as package


def main(names: list[str]) -> None:
    """Run the benchmarks in order of their names."""
    found = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name.startswith("bench_"))
    unknown = [name for name in names if f"bench_{name}" not in found]
    if unknown:
        sys.exit(f"no benchmark {', '.join(unknown)}; there are: {', '.join(name[6:] for name in found)}")
    for module in found:
        if not names or module[6:] in names:
            print(f"\n== {module[6:]}", flush=True)
            importlib.import_module(f"{package.__name__}.{module}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
