"""Worlds: runs, data frames, travel in time, databases that stay and those that go."""

import contextlib
import datetime
import gc
import io
import os
import pathlib
import unittest
from unittest import mock

import oikos
from tests.worlds import COINS, TICK, folder, world_file

LARGE = 9007199254740993
"""More than a float holds exactly."""


class Tables(unittest.TestCase):
    """Data frames are light tables in these tests, so that they compare with lists."""

    def setUp(self):
        oikos.frames("table")
        self.addCleanup(oikos.frames, None)


class Runs(Tables):
    def test_a_run_is_a_world(self):
        world = oikos.run(world_file(self, COINS), seed=7)
        self.assertEqual((world.summary["ticks"], world.summary["stopped"]), (6, "ticks"))
        self.assertEqual(world.measures, {"whole": float(LARGE + 4), "least": world.measures["least"]})
        self.assertEqual(world.measures.frame()["name"], ["whole", "least"])
        self.assertEqual(world.time, "2026-01-01T00:05:00.000Z")
        self.assertTrue(world.verify()["ok"])
        self.assertEqual(world.verify()["journal_hash"], world.journal_hash)

    def test_other_values_make_another_world_and_the_same_ones_the_same(self):
        file = world_file(self, COINS)
        first, again = oikos.run(file), oikos.run(file)
        other = oikos.run(file, set={"execution.ticks": 3, "world.name": "other"})
        self.assertEqual(first.journal_hash, again.journal_hash)
        self.assertNotEqual(first.path, again.path)
        self.assertEqual((other.summary["ticks"], other.seq < first.seq), (3, True))

    def test_a_mistake_is_an_error_with_the_binarys_sentence(self):
        for call in [
            lambda: oikos.run(world_file(self, "[wrld]\n")),
            lambda: oikos.validate(world_file(self, "[wrld]\n")),
            lambda: oikos.run(world_file(self, COINS), set={"execution.tics": 3}),
            lambda: oikos.open("nowhere.oikos"),
            lambda: oikos.run("nowhere.toml"),
            lambda: oikos.run("nowhere.oikos"),
        ]:
            with self.assertRaises(oikos.Error) as raised:
                call()
            self.assertEqual(raised.exception.status, 2)
            self.assertRegex(raised.exception.message, "wrld|tics|nowhere")
            self.assertFalse(raised.exception.message.startswith("error"))
        self.assertEqual(oikos.validate(world_file(self, COINS))["agents"], 2)
        # Notebooks want colours of all programs.
        with mock.patch.dict(os.environ, {"CLICOLOR_FORCE": "1"}), self.assertRaises(oikos.Error) as raised:
            oikos.run("nowhere.toml", max_cost="much")
        self.assertNotIn("\x1b", raised.exception.message)
        self.assertTrue(raised.exception.message.startswith("invalid value"))

    def test_a_world_without_a_database_goes_with_its_last_reference(self):
        world = oikos.run(world_file(self, COINS))
        path, file = world.path, world_file(self, COINS)
        self.assertTrue(path.exists())
        session = world.session()
        again = oikos.open(world)
        del world
        gc.collect()
        self.assertEqual(session.query.supply(), LARGE + 4)
        session.close()
        del session
        gc.collect()
        self.assertEqual(again.verify()["ok"], True)
        del again
        gc.collect()
        self.assertFalse(path.parent.exists())
        # One whose run failed leaves nothing either.
        kept = set(pathlib.Path(path.parent.parent).glob("oikos-*"))
        with self.assertRaises(oikos.Error):
            oikos.run(file, set={"execution.tics": 3})
        gc.collect()
        self.assertLessEqual(set(pathlib.Path(path.parent.parent).glob("oikos-*")), kept)

    def test_a_database_stays_and_a_second_run_goes_on_with_it(self):
        file, db = world_file(self, COINS), folder(self) / "kept.oikos"
        first = oikos.run(file, db=db)
        again = oikos.run(file, db=db, progress=False)
        self.assertEqual(first.summary, again.summary)
        before = first.seq
        longer = oikos.run(file, db=db, set={"execution.ticks": 8}, progress=False)
        self.assertEqual((longer.summary["ticks"], longer.seq > before), (8, True))
        with self.assertRaises(oikos.Error) as raised:
            oikos.run(file, db=db, seed=3)
        self.assertIn("fresh=True", raised.exception.message)
        self.assertEqual(oikos.run(file, db=db, seed=3, fresh=True, progress=False).summary["ticks"], 6)
        self.assertTrue(any(path.name != db.name for path in db.parent.glob("kept.oikos.*")))

    def test_notes_are_told_unless_they_are_not_wanted(self):
        file, db = world_file(self, COINS), folder(self) / "kept.oikos"
        oikos.run(file, db=db, set={"execution.ticks": 2})
        for wanted, told in [(None, True), (False, False)]:
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                oikos.run(file, db=db, set={"execution.ticks": 3 if told else 4}, progress=wanted)
            self.assertEqual("going on" in said.getvalue(), told)
            self.assertNotIn("progress", said.getvalue())

    def test_open_has_all_that_a_run_has(self):
        world = oikos.run(world_file(self, COINS), db=folder(self) / "coins.oikos")
        opened = oikos.open(world.path)
        for key in ["seq", "time", "ticks", "supply", "state_digest", "journal_hash", "measures", "agents", "health"]:
            self.assertEqual(opened.summary[key], world.summary[key], key)
        self.assertIn("least", repr(opened))

    def test_a_run_goes_on_by_ticks_by_time_and_to_its_end(self):
        file = world_file(self, COINS)
        whole = oikos.run(file)
        part = oikos.run(file, db=folder(self) / "part.oikos", set={"execution.ticks": 2})
        fork = part.fork(set={"execution.ticks": 6})
        self.assertEqual(fork.resume(progress=False).journal_hash, whole.journal_hash)
        self.assertEqual(part.run(ticks=4).journal_hash, whole.journal_hash)
        self.assertEqual(part.series(), whole.series())
        self.assertEqual(part.summary["stopped"], "ticks")
        with self.assertRaises(ValueError):
            part.run(1, for_="1m")
        clients = oikos.run(world_file(self, TICK), progress=False)
        self.assertEqual(clients.summary["stopped"], "turns")
        self.assertEqual(clients.run(ticks=1).summary["stopped"], "turns")


class Frames(Tables):
    def setUp(self):
        super().setUp()
        self.world = oikos.run(world_file(self, COINS))

    def test_series_are_rows_or_a_column_for_each_measure(self):
        rows = self.world.series()
        self.assertEqual(rows.columns, ["seq", "time", "name", "value"])
        self.assertEqual(rows[0]["time"], datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))
        wide = self.world.series(wide=True)
        self.assertEqual(wide.columns, ["seq", "time", "whole", "least"])
        self.assertEqual(len(rows), 2 * len(wide))
        self.assertEqual(self.world.series("least")["value"], wide["least"])
        self.assertEqual(self.world.series("least", wide=True).columns, ["seq", "time", "least"])
        self.assertEqual(wide["least"][-1], self.world.measures["least"])
        # Nothing is written beside it, and it is read while it is served too.
        self.assertEqual({path.suffix for path in self.world.path.parent.iterdir()}, {".oikos", ".lock"})
        with self.world.session() as session:
            session.run(ticks=2)
            self.assertGreaterEqual(len(self.world.series()), len(rows))
        self.assertGreater(len(self.world.series()), len(rows))
        with self.assertRaises(KeyError) as raised:
            self.world.series("leest")
        self.assertIn("least", str(raised.exception))

    def test_events_are_of_a_type_and_a_span(self):
        paid = self.world.events(type="transfer")
        self.assertEqual((len(paid), set(paid["amount"]), set(paid["to"])), (4, {1}, {"bea"}))
        self.assertEqual(self.world.events("transfer", since="tick:1", until="tick:2").rows, paid[2:3].rows)
        self.assertEqual(self.world.events("transfer", limit=1).rows, paid[:1].rows)
        self.assertEqual(len(self.world.events("mint")), 0)
        self.assertIn("amount", self.world.events("mint").columns)
        self.assertLessEqual({"spawn", "transfer"}, set(self.world.events()["type"]))
        self.assertNotIn("tick", self.world.events()["type"])
        self.assertIn("tick", self.world.log()["type"])
        refused = self.world.log(refused=True)
        self.assertEqual([error["code"] for error in refused["error"]], ["insufficient_scrip"] * 2)
        self.assertEqual(len(self.world.log("transfer", refused=True, of="ann")), 2)
        with self.assertRaises(oikos.Error):
            self.world.events("transfr")

    def test_lines_that_are_no_events_are_in_none(self):
        text = '''
[execution]
ticks = 3
[[agents]]
id = "ann"
scrip = 9
code = """
def step(o):
    print('here')
    if o['tick'] == 1:
        raise ValueError('no')
    return {'op': 'transfer', 'to': 'bea', 'amount': 1}
"""
[[agents]]
id = "bea"
code = "def step(o): return None"
'''
        world = oikos.run(world_file(self, text), progress=False)
        log, events = world.log(), world.events()
        self.assertLessEqual({"print", "thought", "tick"}, set(log["type"]))
        self.assertEqual(set(events["type"]), {"spawn", "transfer", "mind_error"})
        self.assertEqual(events.columns, ["seq", "time", "type", "actor", "artifact", "to", "amount", "resource", "detail"])
        for limit in range(len(events) + 2):
            self.assertEqual(world.events(limit=limit).rows, events[:limit].rows)

    def test_a_summary_is_of_the_world_as_it_is(self):
        world = self.world.fork("tick:2")
        before = world.summary["seq"]
        with oikos.Session(world) as session:
            session.run(ticks=1)
        self.assertGreater(world.summary["seq"], before)

    def test_accounts_are_exact_at_every_moment(self):
        for at, has in [(None, 0), ("tick:0", 3), (datetime.timedelta(minutes=1), 2), ("2026-01-01T00:02:00Z", 1)]:
            rows = [(kind, self.world.accounts(at=at, kind=kind)) for kind in ("ann", "bea")]
            self.assertEqual([list(accounts["id"]) for _, accounts in rows], [["ann"], ["bea"]])
            self.assertEqual([accounts["scrip"][0] for _, accounts in rows], [has, LARGE + 4 - has], at)
            accounts = self.world.accounts(at=at)
        self.assertIn("disk.used", accounts.columns)
        self.assertGreater(len(self.world.accounts()), 2)
        at = datetime.datetime(2026, 1, 1, 0, 2, tzinfo=datetime.timezone.utc)
        self.assertEqual(self.world.accounts(at), accounts)
        self.assertEqual(self.world.agents(at="tick:1")["steps"], [2, 2])
        self.assertIn("ann", self.world.artifacts()["id"])
        self.assertEqual(self.world.inspect("balances", at="tick:0").rows[-2]["scrip"], 3)
        self.assertIn("def step", self.world.inspect("ann")["code"])
        self.assertNotEqual(self.world.measures_at("tick:0")["least"], self.world.measures["least"])
        with self.assertRaises(ValueError):
            self.world.accounts(datetime.datetime(2026, 1, 1))
        with self.assertRaises(oikos.Error):
            self.world.accounts("tick:99")


class Travel(Tables):
    def setUp(self):
        super().setUp()
        self.world = oikos.run(world_file(self, COINS))

    def test_an_unchanged_fork_ends_as_its_parent(self):
        fork = self.world.fork(at="tick:2")
        self.assertEqual(fork.summary["parent"]["file"], self.world.path.name)
        self.assertEqual(fork.summary["ticks"], 3)
        self.assertEqual(fork.resume(progress=False).journal_hash, self.world.journal_hash)
        found = self.world.compare(fork)
        self.assertTrue(found.is_equal)
        self.assertEqual((found.common, found.parted, len(found.balances)), (self.world.seq, None, 0))

    def test_an_act_makes_another_history(self):
        fork = self.world.fork(at="tick:2", act=[("bea", oikos.op.transfer("ann", 2))], seed=5).resume(progress=False)
        found = self.world.compare(fork)
        self.assertFalse(found.is_equal)
        self.assertGreater(found.parted["seq"], found.common)
        # She had two coins more to give away, and was refused less often.
        self.assertEqual(found.balances.rows, [])
        self.assertEqual(found.refusals["id"], ["ann"])
        self.assertEqual([row["name"] for row in found.measures], ["least", "whole"])
        self.assertIn("part at record", repr(found))

    def test_a_refused_act_makes_no_world(self):
        to = folder(self) / "fork.oikos"
        with self.assertRaises(oikos.Refused) as raised:
            self.world.fork(at="tick:2", act=[("ann", oikos.op.transfer("bea", 2))], to=to)
        self.assertEqual((raised.exception.code, raised.exception.need, raised.exception.have),
                         ("insufficient_scrip", 2, 1))
        self.assertFalse(to.exists())
        with self.assertRaises(oikos.Error) as raised:
            self.world.fork(set={"world.clock": "wall"})
        self.assertEqual(raised.exception.status, 2)

    def test_a_replay_is_equal(self):
        replay = self.world.replay()
        self.assertTrue(replay)
        self.assertEqual((repr(replay), replay.difference), ("Replay(equal)", None))
        self.assertTrue(self.world.replay(until="tick:1"))

    def test_a_session_at_a_moment_changes_nothing(self):
        before = self.world.journal_hash
        with self.world.session(at="tick:0") as session:
            self.assertEqual(session.query.balance("ann"), 3)
            session.act("bea").transfer("ann", 1)
            self.assertEqual(session.query.balance("ann"), 4)
        self.assertEqual(self.world.journal_hash, before)
        with self.world.session() as session:
            session.act("bea").transfer("ann", 1)
        self.assertNotEqual(self.world.journal_hash, before)

    def test_a_saved_world_stays(self):
        path = folder(self) / "saved.oikos"
        saved = self.world.save(path)
        self.assertEqual(saved.verify()["journal_hash"], self.world.journal_hash)
        with self.assertRaises(FileExistsError):
            self.world.save(path)
        self.assertEqual(os.fspath(saved), os.fspath(path))
        self.assertTrue(self.world.compare(path).is_equal)


if __name__ == "__main__":
    unittest.main()
