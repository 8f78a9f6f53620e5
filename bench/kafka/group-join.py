"""Time from making a consumer to its first record, in milliseconds: `group-join.py HOST:PORT TOPIC GROUP PROTOCOL`."""

import sys
import time

from confluent_kafka import Consumer

bootstrap, topic, group, protocol = sys.argv[1:]
config = {
    "bootstrap.servers": bootstrap,
    "group.id": group,
    "group.protocol": protocol,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
}
started = time.monotonic()
consumer = Consumer(config)
consumer.subscribe([topic])
while True:
    message = consumer.poll(0.01)
    if message is not None and message.error() is None:
        break
    if time.monotonic() - started > 60:
        sys.exit("no record within 60 s")
print((time.monotonic() - started) * 1000)
consumer.close()
