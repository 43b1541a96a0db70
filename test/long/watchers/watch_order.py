"""A client of the event bus that follows the order of events. It knows nothing but docs/event-bus-contracts.md.

    AMQP_URL=... watch_order.py

Prints {"ready": true}, and then, for each agent that is published, a JSON line about all events of instances before:

    agent_id            the agent that was published
    instances, events   how many were seen; an event that came again counts once
    faults              the first sentences about events that are not the next one of their instance
"""

from bus import events, report

MOST_FAULTS = 10


class Order:
    def __init__(self):
        self.last = {}
        self.ids = set()
        self.faults = []

    def see(self, headers):
        event_id, instance = headers["cloudEvents:id"], headers["cloudEvents:subject"]
        if event_id in self.ids:
            return
        self.ids.add(event_id)
        sequence, last = int(headers["cloudEvents:sequence"]), self.last.get(instance, 0)
        if sequence != last + 1:
            self.faults.append(f"{instance}: {sequence} came after {last}")
        self.last[instance] = max(sequence, last)


def main():
    order = Order()
    for event_type, headers, body in events():
        if event_type.startswith("instance."):
            order.see(headers)
        elif event_type == "agent.published":
            report(
                agent_id=body["agent_id"],
                instances=len(order.last),
                events=len(order.ids),
                faults=order.faults[:MOST_FAULTS],
            )


if __name__ == "__main__":
    main()
