"""Read a ledger of calls and print what each agent has cost."""

import argparse
import csv
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path


@dataclass
class AgentTotal:
    """The sum of one agent's calls."""

    calls: int = 0
    failures: int = 0
    cost: Decimal = Decimal("0")
    durations_ms: list[int] = field(default_factory=list)

    def add(self, row: dict[str, str]) -> None:
        self.calls += 1
        if row["status"] != "succeeded":
            self.failures += 1
        self.cost += Decimal(row["cost_usd"] or "0")
        self.durations_ms.append(int(row["duration_ms"]))

    @property
    def median_ms(self) -> int:
        ordered = sorted(self.durations_ms)
        if not ordered:
            return 0
        middle = len(ordered) // 2
        if len(ordered) % 2:
            return ordered[middle]
        return (ordered[middle - 1] + ordered[middle]) // 2


def read_totals(path: Path, since: str | None = None) -> dict[str, AgentTotal]:
    totals: dict[str, AgentTotal] = defaultdict(AgentTotal)
    with path.open(newline="", encoding="utf-8") as source:
        for number, row in enumerate(csv.DictReader(source), start=2):
            if since is not None and row["started_at"] < since:
                continue
            try:
                totals[row["agent"]].add(row)
            except (KeyError, ValueError, ArithmeticError) as error:
                print(f"{path}:{number}: {error!r}, line skipped", file=sys.stderr)
    return dict(totals)


def print_table(totals: dict[str, AgentTotal], limit: int) -> None:
    width = max((len(name) for name in totals), default=5)
    print(f"{'agent':<{width}}  {'calls':>6}  {'failed':>6}  {'median ms':>9}  {'USD':>12}")
    by_cost = sorted(totals.items(), key=lambda item: (-item[1].cost, item[0]))
    for name, total in by_cost[:limit]:
        print(
            f"{name:<{width}}  {total.calls:>6}  {total.failures:>6}"
            f"  {total.median_ms:>9}  {total.cost:>12.6f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--since", help="first day, YYYY-MM-DD")
    parser.add_argument("--limit", type=int, default=20)
    options = parser.parse_args()
    if not options.ledger.exists():
        print(f"{options.ledger}: no such file", file=sys.stderr)
        return 2
    totals = read_totals(options.ledger, options.since)
    print_table(totals, options.limit)
    return 0 if totals else 1


if __name__ == "__main__":
    sys.exit(main())
