"""What the Python clients share: the records they write, the way they say how a step ended.

A client prints one JSON object a line, {"step": NAME, "outcome": ...}; README.md says what each step does. Only what
two brokers must agree on goes into an outcome.
"""

import hashlib
import json
import sys
import time

T0 = 1_700_000_000_000
PARTITIONS = 4
PER_ACKS = 100
ACKS = ["1", "all", "0"]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
IDEMPOTENT_RECORDS = 100_000
TOPIC_CONFIGS = {
    "retention.ms": "-1",
    "segment.bytes": "1048576",
    "max.message.bytes": "200000",
    "cleanup.policy": "delete",
}
BROKER_CONFIGS = [
    "auto.create.topics.enable",
    "compression.type",
    "group.max.session.timeout.ms",
    "group.min.session.timeout.ms",
    "log.cleanup.policy",
    "log.retention.hours",
    "log.segment.bytes",
    "message.max.bytes",
    "num.partitions",
    "offsets.retention.minutes",
]
WAIT_S = 30


class Record:
    """Record n of a codec's topic; n counts through all acks."""

    def __init__(self, codec, n):
        i = n % PER_ACKS
        self.partition = n % PARTITIONS
        self.timestamp = T0 + n * 1000
        self.key = None if i % 7 == 0 else b"key-%d" % (i % 10)
        if i % 11 == 0:
            self.value = None
        elif i % 13 == 0:
            self.value = b""
        else:
            self.value = b"value-%s-%d-" % (codec.encode(), n) + b"x" * (3 * i)
        self.headers = []
        if i % 5 != 0:
            self.headers = [("h1", b"a%d" % n), ("h1", b"b"), ("empty", b""), ("null", None)]

    def line(self):
        return [self.partition, self.timestamp, text(self.key), text(self.value), headers_text(self.headers)]


def text(value):
    return None if value is None else bytes(value).hex()


def headers_text(headers):
    return [[name, text(value)] for name, value in headers or []]


def digest(lines):
    return hashlib.sha256("\n".join(json.dumps(line) for line in lines).encode()).hexdigest()[:16]


def codec_outcome(codec, consumed, skip=()):
    """consumed: [partition, offset, timestamp, timestamp type, key, value, headers], each as text() gives it."""
    by_partition = {}
    for line in sorted(consumed, key=lambda line: (line[0], line[1])):
        by_partition.setdefault(line[0], []).append(line)
    wrong = 0
    for partition, lines in by_partition.items():
        for position, line in enumerate(lines):
            # Partition p has the records p, p + 4, p + 8, ... in the order written.
            expected = Record(codec, partition + position * PARTITIONS).line()
            if line[1] != position or [line[0], line[2], *line[4:]] != expected:
                wrong += 1
                if wrong <= 3:
                    print(f"{codec}: expected {expected} at {position}, have {line}", file=sys.stderr)
    return {
        "records": len(consumed),
        "wrong": wrong,
        "timestampTypes": sorted({line[3] for line in consumed}),
        "partitions": {
            str(p): {"first": lines[0][1], "last": lines[-1][1], "digest": digest(lines)}
            for p, lines in sorted(by_partition.items())
        },
    }


def idempotent_outcome(consumed):
    """consumed: (partition, offset, number in the value), as they came."""
    last = {}
    seen = set()
    unordered = 0
    for partition, offset, number in consumed:
        before = last.get(partition)
        if before is not None and (number <= before[1] or offset != before[0] + 1):
            unordered += 1
        last[partition] = (offset, number)
        seen.add(number)
    return {
        "records": len(consumed),
        "distinct": len(seen),
        "unordered": unordered,
        "lastOffsets": {str(p): offset for p, (offset, _) in sorted(last.items())},
    }


def say(line):
    print(json.dumps(line), flush=True)


class Steps:
    """Runs steps in order; one that raises is told by its error's name, and the next one runs."""

    def __init__(self, error_name):
        self.error_name = error_name

    def step(self, name, run):
        started = time.monotonic()
        try:
            outcome = run()
        except Exception as error:  # The outcome is the error: what it is called must be the same for both brokers.
            outcome = {"error": self.error_name(error)}
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        say({"step": name, "outcome": outcome, "seconds": round(time.monotonic() - started, 2)})
        return outcome

    def outcome_of(self, run):
        """For a step of several calls: 'ok', or the error's name."""
        try:
            run()
            return "ok"
        except Exception as error:  # As above.
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return self.error_name(error)


def until(condition, what, seconds=WAIT_S):
    """Metadata spreads: both brokers may need a moment until a change is seen."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds} s")
        time.sleep(0.05)
