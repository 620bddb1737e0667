"""The measure of scripts/try-sixty, by a few runs: from the start to a true answer in sixty seconds."""

import os
import random
import unittest

import lab
import sixty
from sixty_faults import FAULTS
from stacks import probe_nft

RUNS = 20


def setUpModule() -> None:
    lab.require(probe_nft)


class Sixty(unittest.TestCase):
    def test_the_first_screen_tells_what_is_wrong(self) -> None:
        seed = int(os.environ.get("TCPEEK_SEED") or random.SystemRandom().randrange(1_000_000))
        told = sixty.measure(RUNS, seed)
        wrong = "\n\n".join(f"{one.plan}\n{one.screen}" for one in told if one.kind == "wrong")
        self.assertTrue(sixty.is_good(told), f"TCPEEK_SEED={seed}\n{wrong}\n{sixty.report(told)}")


class Plans(unittest.TestCase):
    def test_a_seed_tells_all(self) -> None:
        self.assertEqual(sixty.plans(50, 7), sixty.plans(50, 7))
        self.assertNotEqual(sixty.plans(50, 7), sixty.plans(50, 8))

    def test_each_fault_is_played_from_where_it_can_be_seen(self) -> None:
        played = {(plan.fault, plan.near) for plan in sixty.plans(2000, 1)}
        self.assertEqual(played, {(name, near) for name, fault in FAULTS.items() for near in fault.named})
        self.assertEqual(len(FAULTS), 8)

    def test_each_rule_that_counts_has_words(self) -> None:
        for name, fault in FAULTS.items():
            for accepted in (*fault.named.values(), *fault.hedged.values()):
                self.assertLessEqual(set(accepted), set(sixty.SAYS), name)

    def test_fewer_than_the_goal_are_not_good(self) -> None:
        told = [sixty.Told(plan, "", "", "named", 1.0, "") for plan in sixty.plans(100, 1)]
        wrong = [sixty.Told(plan, "", "", "wrong", 1.0, "") for plan in sixty.plans(6, 2)]
        self.assertTrue(sixty.is_good([*told[5:], *wrong[:5]]))
        self.assertFalse(sixty.is_good([*told[6:], *wrong]))
        self.assertIn("95 of 100 were told truly", sixty.report([*told[5:], *wrong[:5]]))


if __name__ == "__main__":
    unittest.main()
