"""kafka-python (pure Python): scenario | member | fill, see README.md."""

import signal
import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.structs import OffsetAndMetadata
from scenario import (
    ACKS,
    BROKER_CONFIGS,
    CODECS,
    IDEMPOTENT_RECORDS,
    PARTITIONS,
    PER_ACKS,
    T0,
    TOPIC_CONFIGS,
    WAIT_S,
    Record,
    Steps,
    codec_outcome,
    headers_text,
    idempotent_outcome,
    say,
    text,
    until,
)

TIMESTAMP_TYPES = {0: "CreateTime", 1: "LogAppendTime"}
NEITHER = b"neither"
ACKS_VALUES = {"0": 0, "1": 1, "all": "all"}


def error_name(error):
    return type(error).__name__


def without(fields, value):
    """The value with fields that two brokers need not agree on left out, however deep."""
    if isinstance(value, dict):
        return {name: without(fields, inner) for name, inner in sorted(value.items()) if name not in fields}
    if isinstance(value, (list, tuple)):
        return [without(fields, inner) for inner in value]
    return value if isinstance(value, (int, str, float, bool, type(None))) else str(value)


# What a cluster says of itself, not of the topic; leader epochs count restarts of a broker.
OWN_TO_A_CLUSTER = {"topic_id", "leader_id", "replica_nodes", "isr_nodes", "leader_epoch", "throttle_time_ms"}


class Scenario:
    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self.steps = Steps(error_name)

    # -- small tools

    def create(self, topic, partitions, configs=None, replication=1, validate_only=False):
        new = {"num_partitions": partitions, "replication_factor": replication, "configs": configs or {}}
        return self.admin.create_topics({topic: new}, validate_only=validate_only)

    def describe(self, topic):
        return without(OWN_TO_A_CLUSTER, self.admin.describe_topics([topic])[0])

    def configs(self, resource_type, name, **options):
        resource = ConfigResource(resource_type, name)
        described = self.admin.describe_configs([resource], config_filter="all", **options)
        return described[resource_type.name.lower()][name]

    def alter_configs(self, topic, changes):
        """What the client says of it: True, or a text that begins with the error's code and name."""
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, changes)
        result = self.admin.alter_configs([resource], raise_on_unknown=False)["topic"][topic]
        return str(result).split(":")[0]

    def producer(self, **config):
        return KafkaProducer(**{"bootstrap_servers": self.bootstrap, "linger_ms": 20, **config})

    def consumer(self, **config):
        all_config = {
            "bootstrap_servers": self.bootstrap,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "max_poll_records": 10_000,
            **config,
        }
        return KafkaConsumer(**all_config)

    def read_all(self, topic, partitions, count):
        consumer = self.consumer()
        assigned = [TopicPartition(topic, p) for p in range(partitions)]
        consumer.assign(assigned)
        consumer.seek_to_beginning(*assigned)
        records = []
        until(lambda: records.extend(poll(consumer)) or len(records) >= count, f"{count} records")
        records.extend(poll(consumer, 300))
        consumer.close()
        return records

    # -- steps

    def run(self):
        step = self.steps.step
        main = f"{self.prefix}-main"
        step("cluster", self.cluster)
        step("create", lambda: self.created(main))
        step("create-again", lambda: self.created(main))
        step("describe", lambda: {"listed": main in self.admin.list_topics(), **self.describe(main)})
        step("describe-partitions", lambda: self.describe_partitions(main))
        step("configs", lambda: self.all_configs(main))
        step("configs-broker", self.broker_configs)
        step("configs-alter", lambda: self.altered_configs(main))
        for codec in CODECS:
            step(f"produce-{codec}", lambda codec=codec: self.produce(codec))
            step(f"consume-{codec}", lambda codec=codec: self.consume(codec))
        step("idempotent", self.idempotent)
        step("log-append-time", self.log_append_time)
        step("commit-resume", self.commit_and_resume)
        step("offsets-for-times", self.offsets_for_times)
        step("groups-list", self.groups_list)
        step("group-describe", self.group_describe)
        step("group-reset", self.group_reset)
        step("delete-records", self.delete_records)
        step("add-partitions", self.add_partitions)
        step("group-delete", self.group_delete)
        step("log-dirs", self.log_dirs)
        step("topic-delete", self.topic_delete)
        step("error-unknown-topic", self.unknown_topic)
        step("error-too-large", self.too_large)
        step("error-invalid-config", self.invalid_config)
        step("error-illegal-name", self.illegal_names)
        step("error-create", self.illegal_creations)

    def cluster(self):
        described = self.admin.describe_cluster()
        ids = [broker["broker_id"] for broker in described["brokers"]]
        return {
            "fields": sorted(described),
            "nodes": len(ids),
            "controllerIsNode": described["controller_id"] in ids,
            "clusterId": len(described["cluster_id"]) == 22,
        }

    def created(self, topic):
        return without(OWN_TO_A_CLUSTER, self.create(topic, PARTITIONS, TOPIC_CONFIGS)["topics"][0])

    def describe_partitions(self, topic):
        described = self.admin.describe_topic_partitions([topic, f"{self.prefix}-missing"])
        paged = self.admin.describe_topic_partitions([topic], response_partition_limit=2)
        return {
            "all": without(OWN_TO_A_CLUSTER, described),
            "cursor": paged["next_cursor"] and paged["next_cursor"]["partition_index"],
        }

    def all_configs(self, topic):
        entries = self.configs(ConfigResourceType.TOPIC, topic, include_synonyms=True)
        return {
            # What the broker's own settings say is asked for below.
            name: [e["value"], e["config_source"], e["read_only"], e["is_sensitive"], e.get("config_type")]
            for name, e in sorted(entries.items())
        }

    def broker_configs(self):
        node = str(self.admin.describe_cluster()["brokers"][0]["broker_id"])
        entries = self.configs(ConfigResourceType.BROKER, node)
        return {name: entries[name]["value"] if name in entries else "(none)" for name in BROKER_CONFIGS}

    def altered_configs(self, topic):
        self.alter_configs(
            topic,
            {"retention.bytes": "123456", "segment.bytes": ("DELETE", None), "cleanup.policy": ("APPEND", "compact")},
        )

        def shown():
            entries = self.configs(ConfigResourceType.TOPIC, topic)
            return entries if entries["retention.bytes"]["value"] == "123456" else None

        entries = until(shown, "altered configuration")
        names = ["retention.bytes", "segment.bytes", "cleanup.policy"]
        return {
            "after": {name: [entries[name]["value"], entries[name]["config_source"]] for name in names},
            "unknown": self.alter_configs(topic, {"no.such.config": "1"}),
            "invalid": self.alter_configs(topic, {"retention.ms": "soon"}),
        }

    def produce(self, codec):
        topic = f"{self.prefix}-{codec}"
        self.create(topic, PARTITIONS, {"retention.ms": "-1"})
        outcome = {}
        n = 0
        for acks in ACKS:
            producer = self.producer(
                compression_type=None if codec == "none" else codec,
                acks=ACKS_VALUES[acks],
                enable_idempotence=False,
            )
            futures = []
            for _ in range(PER_ACKS):
                record = Record(codec, n)
                futures.append(
                    producer.send(
                        topic,
                        record.value,
                        # A record of neither key nor value cannot be written by this client.
                        NEITHER if record.key is None and record.value is None else record.key,
                        # A header without a value cannot be written by this client.
                        [(name, value or b"") for name, value in record.headers],
                        record.partition,
                        record.timestamp,
                    )
                )
                n += 1
            producer.flush(WAIT_S)
            offsets = {}
            for future in futures:
                metadata = future.get(WAIT_S)
                offsets.setdefault(str(metadata.partition), []).append(metadata.offset)
            producer.close()
            known = {p: [min(all_), max(all_)] for p, all_ in sorted(offsets.items())} if acks != "0" else {}
            outcome[acks] = {"delivered": len(futures), "offsets": known}
        return outcome

    def consume(self, codec):
        lines = []
        for r in self.read_all(f"{self.prefix}-{codec}", PARTITIONS, PER_ACKS * len(ACKS)):
            headers = [(name, None if name == "null" and value == b"" else value) for name, value in r.headers]
            key = None if r.key == NEITHER else r.key
            line = [r.partition, r.offset, r.timestamp, TIMESTAMP_TYPES[r.timestamp_type], text(key), text(r.value)]
            lines.append([*line, headers_text(headers)])
        return codec_outcome(codec, lines)

    def idempotent(self):
        topic = f"{self.prefix}-idem"
        self.create(topic, 3, {"retention.ms": "-1"})
        producer = self.producer(enable_idempotence=True, acks="all", compression_type="lz4", batch_size=1 << 17)
        failed = []
        for i in range(IDEMPOTENT_RECORDS):
            producer.send(topic, b"%d" % i, b"k%d" % i).add_errback(failed.append)
        producer.flush(WAIT_S)
        producer.close()
        records = self.read_all(topic, 3, IDEMPOTENT_RECORDS)
        return {"failed": len(failed), **idempotent_outcome([(r.partition, r.offset, int(r.value)) for r in records])}

    def log_append_time(self):
        topic = f"{self.prefix}-append-time"
        self.create(topic, 1, {"message.timestamp.type": "LogAppendTime"})
        producer = self.producer(acks="all")
        metadata = producer.send(topic, b"v", timestamp_ms=T0).get(WAIT_S)
        producer.close()
        record = self.read_all(topic, 1, 1)[0]
        return {
            "type": TIMESTAMP_TYPES[record.timestamp_type],
            "byTheBroker": record.timestamp > T0,
            "reportedToProducer": metadata.timestamp == record.timestamp,
        }

    def commit_and_resume(self):
        partition, other = (TopicPartition(f"{self.prefix}-none", p) for p in (0, 1))
        group = f"{self.prefix}-g"
        first = self.consumer(group_id=group, max_poll_records=30)
        first.assign([partition])
        first.seek_to_beginning(partition)
        read = until(lambda: poll(first), "records")
        first.commit({partition: OffsetAndMetadata(len(read), "thirty", -1)})
        first.close()
        second = self.consumer(group_id=group)
        second.assign([partition])
        committed = second.committed(partition, metadata=True)
        uncommitted = second.committed(other)
        resumed = until(lambda: poll(second), "records")[0].offset
        second.close()
        return {
            "read": len(read),
            "committed": committed.offset,
            "metadata": committed.metadata,
            "resumedAt": resumed,
            "uncommitted": uncommitted,
        }

    def offsets_for_times(self):
        partition = TopicPartition(f"{self.prefix}-none", 0)
        consumer = self.consumer()
        consumer.assign([partition])
        offsets = {}
        for name, timestamp in {"before": 0, "exact": T0 + 40_000, "between": T0 + 40_001, "after": T0 + 10**9}.items():
            found = consumer.offsets_for_times({partition: timestamp})[partition]
            offsets[name] = found and [found.offset, found.timestamp]
        consumer.seek(partition, offsets["between"][0])
        record = until(lambda: poll(consumer), "records")[0]
        watermarks = [consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition]]
        consumer.close()
        for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST, OffsetSpec.MAX_TIMESTAMP, OffsetSpec.EARLIEST_LOCAL):
            found = self.admin.list_partition_offsets({partition: spec})[partition]
            offsets[spec.name] = [found.offset, found.timestamp]
        return {**offsets, "timestampThere": record.timestamp, "watermarks": watermarks}

    def groups_list(self):
        def mine(**filters):
            return [
                without(set(), g)
                for g in self.admin.list_groups(**filters)
                if g["group_id"].startswith(f"{self.prefix}-g")
            ]

        return {
            "all": until(mine, "own group in the list"),
            "empty": mine(states_filter=["Empty"]),
            "stable": mine(states_filter=["Stable"]),
            "classic": mine(types_filter=["classic"]),
            "consumer": mine(types_filter=["consumer"]),
        }

    def group_describe(self):
        described = self.admin.describe_groups([f"{self.prefix}-g"])
        missing = self.steps.outcome_of(lambda: self.admin.describe_groups([f"{self.prefix}-missing"]))
        return {"described": without(set(), described), "missing": missing}

    def group_reset(self):
        group, topic = f"{self.prefix}-g", f"{self.prefix}-none"

        def reset(name, to):
            offsets = {TopicPartition(name, p): OffsetAndMetadata(offset, "", -1) for p, offset in to.items()}
            altered = self.admin.alter_group_offsets(group, offsets)
            return sorted([p.partition, error.__name__] for p, error in altered.items())

        altered = reset(topic, {0: 10, 1: 5})
        listed = self.admin.list_group_offsets({group: None})[group]
        by_spec = self.admin.reset_group_offsets(group, {TopicPartition(topic, 1): OffsetSpec.EARLIEST})
        deleted = self.admin.delete_group_offsets(group, [TopicPartition(topic, 1)])
        after = self.admin.list_group_offsets({group: None})[group]
        return {
            "altered": altered,
            "listed": sorted([p.partition, o.offset] for p, o in listed.items()),
            "bySpec": len(by_spec),
            "deleted": sorted([p.partition, error.__name__] for p, error in deleted.items()),
            "after": sorted([p.partition, o.offset] for p, o in after.items()),
            "unknownTopic": reset(f"{self.prefix}-missing", {0: 1}),
        }

    def delete_records(self):
        partition = TopicPartition(f"{self.prefix}-none", 0)
        deleted = self.admin.delete_records({partition: 20})[partition]
        lenient = self.consumer(auto_offset_reset="earliest")
        lenient.assign([partition])
        lenient.seek(partition, 3)
        first = until(lambda: poll(lenient), "records")[0].offset
        watermarks = [lenient.beginning_offsets([partition])[partition], lenient.end_offsets([partition])[partition]]
        lenient.close()
        strict = self.consumer()
        strict.assign([partition])
        strict.seek(partition, 3)
        out_of_range = self.steps.outcome_of(lambda: until(lambda: poll(strict), "an error", 5))
        strict.close()
        return {
            "lowWatermark": deleted["low_watermark"],
            "first": first,
            "watermarks": watermarks,
            "outOfRange": out_of_range,
            "beyond": self.steps.outcome_of(lambda: self.admin.delete_records({partition: 10**6})),
        }

    def add_partitions(self):
        main = f"{self.prefix}-main"

        def outcome(topic, count):
            return self.steps.outcome_of(lambda: self.admin.create_partitions({topic: count}))

        validated = self.steps.outcome_of(lambda: self.admin.create_partitions({main: 6}, validate_only=True))
        before = len(self.describe(main)["partitions"])
        grown = outcome(main, 6)
        until(lambda: len(self.describe(main)["partitions"]) == 6, "6 partitions")
        fewer, same = outcome(main, 2), outcome(main, 6)
        return {"validated": validated, "before": before, "grown": grown, "fewer": fewer, "same": same}

    def group_delete(self):
        group = f"{self.prefix}-g"
        return [without(set(), self.admin.delete_groups([group])) for _ in range(2)]

    def log_dirs(self):
        [broker] = self.admin.describe_log_dirs()
        dirs = broker["log_dirs"]
        found = [
            [topic["name"], partition["partition_index"], partition["offset_lag"], partition["is_future_key"]]
            for log_dir in dirs
            for topic in log_dir["topics"]
            if topic["name"] == f"{self.prefix}-lz4"
            for partition in topic["partitions"]
            if partition["partition_size"] > 0
        ]
        return {"dirs": len(dirs), "errors": [d["error_code"] for d in dirs], "partitions": sorted(found)}

    def topic_delete(self):
        main = f"{self.prefix}-main"
        self.admin.delete_topics([main])
        gone = until(lambda: main not in self.admin.list_topics(), "topic gone")
        return {"gone": gone, "again": self.steps.outcome_of(lambda: self.admin.delete_topics([main]))}

    def deliver(self, topic, value, **config):
        producer = self.producer(**{"acks": 1, "enable_idempotence": False, "max_block_ms": 3000, **config})
        outcome = self.steps.outcome_of(lambda: producer.send(topic, value, partition=0).get(WAIT_S))
        producer.close(timeout=1)
        return outcome

    def unknown_topic(self):
        missing = f"{self.prefix}-missing"
        return {
            "produce": self.deliver(missing, b"v"),
            "describe": self.admin.describe_topics([missing])[0]["error_code"],
            "configs": self.steps.outcome_of(lambda: self.configs(ConfigResourceType.TOPIC, missing)),
        }

    def too_large(self):
        topic = f"{self.prefix}-small"
        self.create(topic, 1, {"max.message.bytes": "2000"})
        return {
            "plain": self.deliver(topic, b"\0" * 3000),
            "allowed": self.deliver(topic, b"\0" * 1000),
            "compressedBelow": self.deliver(topic, b"\0" * 3000, compression_type="gzip"),
        }

    def invalid_config(self):
        topic = f"{self.prefix}-bad"
        bad = [{"retention.ms": "soon"}, {"no.such.config": "1"}, {"cleanup.policy": "burn"}, {"segment.bytes": "1"}]
        outcome = {repr(c): self.steps.outcome_of(lambda c=c: self.create(topic, 1, c)) for c in bad}
        return {**outcome, "listed": topic in self.admin.list_topics()}

    def illegal_names(self):
        names = ["", "a b", "..", ".", "a/b", "x" * 250]
        return {name[:10]: self.steps.outcome_of(lambda name=name: self.create(name, 1)) for name in names}

    def illegal_creations(self):
        topic = f"{self.prefix}-bad"

        def outcome(*args, **options):
            return self.steps.outcome_of(lambda: self.create(*args, **options))

        self.create(f"{self.prefix}-co.lide", 1)
        return {
            "noPartitions": outcome(topic, 0),
            "negativePartitions": outcome(topic, -2),
            "replication": outcome(topic, 1, replication=3),
            "noReplication": outcome(topic, 1, replication=0),
            "validateOnly": outcome(topic, 1, validate_only=True),
            "validateOnlyBad": outcome(topic, 1, {"retention.ms": "soon"}, validate_only=True),
            "collision": outcome(f"{self.prefix}-co_lide", 1),
            "listed": topic in self.admin.list_topics(),
        }


def poll(consumer, timeout_ms=500):
    return [record for records in consumer.poll(timeout_ms).values() for record in records]


def member(bootstrap, group, topic, protocol):
    assert protocol == "classic", "this client has the classic protocol only"
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        partition_assignment_strategy=[RangePartitionAssignor],
    )
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    consumer.subscribe([topic])
    assigned = None
    while not ended:
        records = poll(consumer, 200)
        now = sorted(p.partition for p in consumer.assignment())
        if now != assigned:
            assigned = now
            say({"assigned": assigned})
        if records:
            consumer.commit()
            say({"seen": [[r.partition, r.offset] for r in records]})
    consumer.close()


def fill(bootstrap, topic, count, partitions):
    """Writes to all partitions in turn; makes the topic if it is not there."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    if topic not in admin.list_topics():
        admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True)
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
    futures = [producer.send(topic, b"%d" % i, partition=i % partitions) for i in range(count)]
    producer.flush(WAIT_S)
    say({"filled": sum(1 for future in futures if future.get(WAIT_S))})


if __name__ == "__main__":
    verb, *args = sys.argv[1:]
    if verb == "scenario":
        Scenario(*args).run()
    elif verb == "member":
        member(*args)
    else:
        fill(args[0], args[1], int(args[2]), int(args[3]))
