"""A client of the event bus that follows rollouts by their events alone. It knows nothing but docs/event-bus-contracts.md.

    AMQP_URL=... watch_rollouts.py

Prints {"ready": true}, and then a JSON line for each rollout that has ended. All times are those of the events:

    rollout_id, ended   the type of the last event, and its body
    moved, reverted     ids of the instances that got the version, and of those that got their version back
    most_moves          the most times that one instance got the version
    most_out            the most moved instances at one moment that were not healthy: that did not run, or for less than min_healthy_seconds
    most_not_back       the most instances at one moment that had run, got their version back and did not run yet
"""

from datetime import datetime, timedelta

from bus import events, report

ENDED = {"rollout.completed", "rollout.rolled_back"}
ENDED_STATUSES = {"aborted", "superseded", "refused"}


class Rollout:
    def __init__(self, event_id, body):
        self.event_id = event_id
        self.version = body["version"]
        self.min_healthy = timedelta(seconds=body["strategy"].get("min_healthy_seconds", 30))
        self.moves = {}
        self.reverts = {}
        self.running = {}
        self.out = Intervals()
        self.not_back = Intervals()

    def change(self, instance, generation, version, time, was_running):
        """The rollout has given the instance a version."""
        if version == self.version:
            if generation not in self.moves.setdefault(instance, {}):
                self.moves[instance][generation] = time
                self.out.begin(instance, time)
        elif generation not in self.reverts.setdefault(instance, {}):
            self.reverts[instance][generation] = time
            self.out.end(instance, time)
            if was_running:
                self.not_back.begin(instance, time)

    def status(self, instance, version, runs, time):
        """The instance runs what its row says, or does not."""
        if instance in self.reverts:
            if runs:
                self.not_back.end(instance, time)
        elif instance in self.moves and version == self.version:
            if runs:
                self.out.end(instance, time + self.min_healthy)
            else:
                self.out.begin(instance, time)

    def report(self, rollout_id, event_type, body):
        times = [len(generations) for generations in self.moves.values()]
        return {
            "rollout_id": rollout_id,
            "ended": event_type,
            "body": body,
            "moved": sorted(self.moves),
            "reverted": sorted(self.reverts),
            "most_moves": max(times, default=0),
            "most_out": self.out.most(),
            "most_not_back": self.not_back.most(),
        }


class Intervals:
    """Times at which instances are out, and the most that are out at one moment."""

    def __init__(self):
        self.open = {}
        self.closed = []

    def begin(self, instance, time):
        if self.closed and self.closed[-1][0] == instance and self.closed[-1][2] >= time:
            time = self.closed.pop()[1]
        self.open.setdefault(instance, time)

    def end(self, instance, time):
        begun = self.open.pop(instance, None)
        if begun is not None:
            self.closed.append((instance, begun, time))

    def most(self):
        changes = [change for _, begun, ended in self.closed for change in ((begun, 1), (ended, -1))]
        changes += [(begun, 1) for begun in self.open.values()]
        # An instance whose time is over makes place for one that is moved at the same moment.
        count = most = 0
        for _, change in sorted(changes):
            count += change
            most = max(most, count)
        return most


class Watch:
    def __init__(self):
        self.rollouts = {}
        self.ended = set()
        self.running = {}

    def see(self, event_type, headers, body):
        if event_type == "rollout.requested":
            self.rollouts.setdefault(body["rollout_id"], Rollout(headers["cloudEvents:id"], body))
        elif event_type == "instance.updated":
            self.see_instance(headers, body)
        elif event_type in ENDED or body.get("status") in ENDED_STATUSES:
            rollout_id = body.get("rollout_id")
            if rollout_id in self.rollouts and rollout_id not in self.ended:
                self.ended.add(rollout_id)
                report(**self.rollouts[rollout_id].report(rollout_id, event_type, body))

    def see_instance(self, headers, body):
        instance, version = body["instance_id"], body["agent_version"]
        generation, observed = int(headers["generation"]), int(headers["observed_generation"])
        time = datetime.fromisoformat(body["updated_at"])
        runs = body["status"] == "running" and observed == generation
        for rollout in self.rollouts.values():
            if headers.get("cloudEvents:causationid") == rollout.event_id:
                rollout.change(instance, generation, version, time, self.running.get(instance, False))
            else:
                rollout.status(instance, version, runs, time)
        self.running[instance] = runs


def main():
    watch = Watch()
    for event_type, headers, body in events():
        watch.see(event_type, headers, body)


if __name__ == "__main__":
    main()
