"""confluent-kafka (librdkafka of its wheel): scenario | member | fill, see README.md."""

import signal
import sys

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
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

TIMESTAMP_TYPES = {0: "none", 1: "CreateTime", 2: "LogAppendTime"}


def error_name(error):
    if isinstance(error, KafkaException):
        return error.args[0].name()
    return type(error).__name__


class Scenario:
    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.steps = Steps(error_name)

    # -- small tools

    def create(self, topic, partitions, configs=None, replication=1, validate_only=False):
        new = NewTopic(topic, partitions, replication, config=configs or {})
        self.admin.create_topics([new], validate_only=validate_only)[topic].result(WAIT_S)

    def delete(self, topic):
        self.admin.delete_topics([topic], operation_timeout=30)[topic].result(WAIT_S)

    def topics(self):
        return self.admin.list_topics(timeout=WAIT_S).topics

    def partitions_of(self, topic):
        described = self.admin.describe_topics(TopicCollection([topic]))[topic].result(WAIT_S)
        return [
            {"partition": p.id, "replicas": len(p.replicas), "isr": len(p.isr), "leader": p.leader is not None}
            for p in described.partitions
        ]

    def configs(self, resource_type, name):
        resource = ConfigResource(resource_type, name)
        return self.admin.describe_configs([resource])[resource].result(WAIT_S)

    def alter_configs(self, topic, *changes):
        entries = [ConfigEntry(name, value, incremental_operation=op) for name, value, op in changes]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(WAIT_S)

    def producer(self, **config):
        all_config = {"bootstrap.servers": self.bootstrap, "linger.ms": 20}
        all_config.update({name.replace("_", "."): value for name, value in config.items()})
        return Producer(all_config)

    def consumer(self, group=None, **config):
        all_config = {
            "bootstrap.servers": self.bootstrap,
            "group.id": group or f"{self.prefix}-none",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": False,
            "check.crcs": True,
        }
        all_config.update({name.replace("_", "."): value for name, value in config.items()})
        return Consumer(all_config)

    def read_all(self, topic, partitions, count):
        """Every message of the topic, in the order the consumer hands them out."""
        consumer = self.consumer()
        try:
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
            messages = []
            until(lambda: messages.extend(self.poll(consumer)) or len(messages) >= count, f"{count} records")
            messages.extend(self.poll(consumer, 0.3))
            return messages
        finally:
            consumer.close()

    @staticmethod
    def poll(consumer, timeout=0.5):
        messages = consumer.consume(10_000, timeout)
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
        return messages

    # -- steps

    def run(self):
        step = self.steps.step
        main = f"{self.prefix}-main"
        step("cluster", self.cluster)
        step("create", lambda: self.create(main, PARTITIONS, TOPIC_CONFIGS) or "ok")
        step("create-again", lambda: self.create(main, PARTITIONS) or "ok")
        step("describe", lambda: {"listed": main in self.topics(), "partitions": self.partitions_of(main)})
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
        step("topic-delete", self.topic_delete)
        step("error-unknown-topic", self.unknown_topic)
        step("error-too-large", self.too_large)
        step("error-invalid-config", self.invalid_config)
        step("error-illegal-name", self.illegal_names)
        step("error-create", self.illegal_creations)

    def cluster(self):
        described = self.admin.describe_cluster().result(WAIT_S)
        return {
            "nodes": len(described.nodes),
            "controllerIsNode": described.controller is not None
            and described.controller.id in [node.id for node in described.nodes],
            "clusterId": len(described.cluster_id) == 22,
        }

    def all_configs(self, topic):
        entries = self.configs(ResourceType.TOPIC, topic)
        return {
            name: [e.value, e.is_default, e.is_read_only, e.is_sensitive, e.source]
            for name, e in sorted(entries.items())
        }

    def broker_configs(self):
        node = next(iter(self.admin.describe_cluster().result(WAIT_S).nodes)).id
        entries = self.configs(ResourceType.BROKER, str(node))
        return {name: entries[name].value if name in entries else "(none)" for name in BROKER_CONFIGS}

    def altered_configs(self, topic):
        self.alter_configs(
            topic,
            ("retention.bytes", "123456", AlterConfigOpType.SET),
            ("segment.bytes", None, AlterConfigOpType.DELETE),
            ("cleanup.policy", "compact", AlterConfigOpType.APPEND),
        )
        names = ["retention.bytes", "segment.bytes", "cleanup.policy"]

        def shown():
            entries = self.configs(ResourceType.TOPIC, topic)
            return entries if entries["retention.bytes"].value == "123456" else None

        entries = until(shown, "altered configuration")
        after = {name: [entries[name].value, entries[name].source] for name in names}
        self.alter_configs(topic, ("cleanup.policy", "compact", AlterConfigOpType.SUBTRACT))
        unknown = self.steps.outcome_of(
            lambda: self.alter_configs(topic, ("no.such.config", "1", AlterConfigOpType.SET))
        )
        invalid = self.steps.outcome_of(
            lambda: self.alter_configs(topic, ("retention.ms", "soon", AlterConfigOpType.SET))
        )
        return {"after": after, "unknown": unknown, "invalid": invalid}

    def produce(self, codec):
        topic = f"{self.prefix}-{codec}"
        self.create(topic, PARTITIONS, {"retention.ms": "-1"})
        outcome = {}
        n = 0
        for acks in ACKS:
            delivered = []
            producer = self.producer(compression_type=codec, acks=acks)
            for _ in range(PER_ACKS):
                record = Record(codec, n)
                producer.produce(
                    topic,
                    record.value,
                    record.key,
                    record.partition,
                    on_delivery=lambda error, message: delivered.append((error, message)),
                    timestamp=record.timestamp,
                    headers=record.headers,
                )
                n += 1
            producer.flush(WAIT_S)
            offsets = {}
            for error, message in delivered:
                if error is not None:
                    raise KafkaException(error)
                offsets.setdefault(str(message.partition()), []).append(message.offset())
            # Without an acknowledgement no offset is known.
            known = {p: [min(all_), max(all_)] for p, all_ in sorted(offsets.items())} if acks != "0" else {}
            outcome[acks] = {"delivered": len(delivered), "offsets": known}
        return outcome

    def consume(self, codec):
        messages = self.read_all(f"{self.prefix}-{codec}", PARTITIONS, PER_ACKS * len(ACKS))
        lines = []
        for m in messages:
            kind, timestamp = m.timestamp()
            # The wheel hands out an empty value as b'' and none as None.
            line = [m.partition(), m.offset(), timestamp, TIMESTAMP_TYPES[kind], text(m.key()), text(m.value())]
            lines.append([*line, headers_text(m.headers())])
        return codec_outcome(codec, lines)

    def idempotent(self):
        topic = f"{self.prefix}-idem"
        self.create(topic, 3, {"retention.ms": "-1"})
        producer = self.producer(enable_idempotence=True, compression_type="lz4")
        failed = []
        for i in range(IDEMPOTENT_RECORDS):
            while True:
                try:
                    producer.produce(
                        topic,
                        b"%d" % i,
                        b"k%d" % i,
                        on_delivery=lambda error, _: failed.append(error) if error else None,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        producer.flush(WAIT_S)
        messages = self.read_all(topic, 3, IDEMPOTENT_RECORDS)
        outcome = idempotent_outcome([(m.partition(), m.offset(), int(m.value())) for m in messages])
        return {"failed": len(failed), **outcome}

    def log_append_time(self):
        topic = f"{self.prefix}-append-time"
        self.create(topic, 1, {"message.timestamp.type": "LogAppendTime"})
        producer = self.producer(acks="all")
        reported = []
        producer.produce(topic, b"v", timestamp=T0, on_delivery=lambda _, m: reported.append(m.timestamp()))
        producer.flush(WAIT_S)
        kind, timestamp = self.read_all(topic, 1, 1)[0].timestamp()
        return {
            "type": TIMESTAMP_TYPES[kind],
            "byTheBroker": timestamp > T0,
            "reportedToProducer": reported[0][1] == timestamp,
        }

    def commit_and_resume(self):
        topic, group = f"{self.prefix}-none", f"{self.prefix}-g"
        first = self.consumer(group)
        first.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        read = []
        until(lambda: read.extend(first.consume(30 - len(read), 0.5)) or len(read) == 30, "30 records")
        first.commit(offsets=[TopicPartition(topic, 0, 30, metadata="thirty")], asynchronous=False)
        first.close()
        second = self.consumer(group)
        [committed] = second.committed([TopicPartition(topic, 0)], WAIT_S)
        [none] = second.committed([TopicPartition(topic, 1)], WAIT_S)
        second.assign([TopicPartition(topic, 0)])
        resumed = until(lambda: second.poll(0.5), "a record")
        second.close()
        return {
            "committed": committed.offset,
            "metadata": committed.metadata,
            "resumedAt": resumed.offset(),
            "uncommitted": none.offset,
        }

    def offsets_for_times(self):
        topic = f"{self.prefix}-none"
        consumer = self.consumer()
        offsets = {}
        for name, timestamp in {"before": 0, "exact": T0 + 40_000, "between": T0 + 40_001, "after": T0 + 10**9}.items():
            [found] = consumer.offsets_for_times([TopicPartition(topic, 0, timestamp)], WAIT_S)
            offsets[name] = found.offset
        consumer.assign([TopicPartition(topic, 0, offsets["between"])])
        message = until(lambda: consumer.poll(0.5), "a record")
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), WAIT_S)
        consumer.close()
        specs = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest(), "max": OffsetSpec.max_timestamp()}
        partition = TopicPartition(topic, 0)
        for name, spec in specs.items():
            for isolation in (IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED):
                future = self.admin.list_offsets({partition: spec}, isolation_level=isolation)[partition]
                result = future.result(WAIT_S)
                offsets[f"{name} {isolation.name}"] = [result.offset, result.timestamp]
        return {**offsets, "timestampThere": message.timestamp()[1], "watermarks": [low, high]}

    def groups_list(self):
        def listed():
            result = self.admin.list_consumer_groups().result(WAIT_S)
            mine = [g for g in result.valid if g.group_id.startswith(f"{self.prefix}-g")]
            return {"errors": len(result.errors), "groups": mine} if mine else None

        found = until(listed, "own group in the list")
        return {
            "errors": found["errors"],
            "groups": sorted(
                [g.group_id, g.is_simple_consumer_group, g.state.name, g.type.name] for g in found["groups"]
            ),
        }

    def describe_group(self, group):
        return self.admin.describe_consumer_groups([group])[group].result(WAIT_S)

    def group_describe(self):
        g = self.describe_group(f"{self.prefix}-g")
        missing = self.steps.outcome_of(lambda: self.describe_group(f"{self.prefix}-missing"))
        return {
            "state": g.state.name,
            "type": g.type.name,
            "simple": g.is_simple_consumer_group,
            "assignor": g.partition_assignor,
            "members": len(g.members),
            "coordinator": g.coordinator is not None,
            "missing": missing,
        }

    def group_reset(self):
        group, topic = f"{self.prefix}-g", f"{self.prefix}-none"
        to = [TopicPartition(topic, 0, 10), TopicPartition(topic, 1, 5)]
        request = ConsumerGroupTopicPartitions(group, to)
        altered = self.admin.alter_consumer_group_offsets([request])[group].result(WAIT_S)
        listed = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(WAIT_S)
        unknown = ConsumerGroupTopicPartitions(group, [TopicPartition(f"{self.prefix}-missing", 0, 1)])
        result = self.admin.alter_consumer_group_offsets([unknown])[group].result(WAIT_S)
        return {
            "altered": sorted([p.partition, p.error.name() if p.error else "ok"] for p in altered.topic_partitions),
            "listed": sorted([p.partition, p.offset] for p in listed.topic_partitions),
            "unknownTopic": [p.error.name() if p.error else "ok" for p in result.topic_partitions],
        }

    def delete_records(self):
        topic = f"{self.prefix}-none"
        partition = TopicPartition(topic, 0, 20)
        deleted = self.admin.delete_records([partition])[partition].result(WAIT_S)
        consumer = self.consumer(auto_offset_reset="earliest")
        consumer.assign([TopicPartition(topic, 0, 3)])
        first = until(lambda: consumer.poll(0.5), "a record").offset()
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), WAIT_S)
        consumer.close()
        strict = self.consumer()
        strict.assign([TopicPartition(topic, 0, 3)])
        message = until(lambda: strict.poll(0.5), "an error")
        strict.close()
        beyond = TopicPartition(topic, 0, 10**6)
        return {
            "lowWatermark": deleted.low_watermark,
            "first": first,
            "watermarks": [low, high],
            "outOfRange": message.error().name() if message.error() else message.offset(),
            "beyond": self.steps.outcome_of(lambda: self.admin.delete_records([beyond])[beyond].result(WAIT_S)),
        }

    def add_partitions(self):
        main = f"{self.prefix}-main"

        def grow(topic, count):
            self.admin.create_partitions([NewPartitions(topic, count)])[topic].result(WAIT_S)

        grow(main, 6)
        after = until(lambda: len(self.partitions_of(main)) == 6 and self.partitions_of(main), "6 partitions")
        return {
            "partitions": after,
            "fewer": self.steps.outcome_of(lambda: grow(main, 2)),
            "same": self.steps.outcome_of(lambda: grow(main, 6)),
            "unknown": self.steps.outcome_of(lambda: grow(f"{self.prefix}-missing", 6)),
        }

    def group_delete(self):
        group = f"{self.prefix}-g"

        def delete():
            self.admin.delete_consumer_groups([group])[group].result(WAIT_S)

        return {"deleted": self.steps.outcome_of(delete), "again": self.steps.outcome_of(delete)}

    def topic_delete(self):
        main = f"{self.prefix}-main"
        self.delete(main)
        gone = until(lambda: main not in self.topics(), "topic gone")
        return {"gone": gone, "again": self.steps.outcome_of(lambda: self.delete(main))}

    def deliver(self, topic, value, **config):
        producer = self.producer(message_timeout_ms=5000, **config)
        errors = []
        producer.produce(topic, value, partition=0, on_delivery=lambda error, _: errors.append(error))
        producer.flush(WAIT_S)
        return errors[0].name() if errors[0] else "ok"

    def unknown_topic(self):
        missing = f"{self.prefix}-missing"
        consumer = self.consumer(f"{self.prefix}-g2")
        consumer.subscribe([missing])
        message = until(lambda: consumer.poll(0.5), "an error")
        consumer.close()
        return {
            "produce": self.deliver(missing, b"v"),
            "consume": message.error().name(),
            "describe": self.steps.outcome_of(lambda: self.partitions_of(missing)),
            "configs": self.steps.outcome_of(lambda: self.configs(ResourceType.TOPIC, missing)),
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
        return {**outcome, "listed": topic in self.topics()}

    def illegal_names(self):
        names = ["a b", "..", ".", "a/b", "x" * 250, "caf\u00e9"]
        return {name[:10]: self.steps.outcome_of(lambda name=name: self.create(name, 1)) for name in names}

    def illegal_creations(self):
        topic = f"{self.prefix}-bad"

        def outcome(*args, **options):
            return self.steps.outcome_of(lambda: self.create(*args, **options))

        self.create(f"{self.prefix}-co.lide", 1)
        return {
            "replication": outcome(topic, 1, replication=3),
            "validateOnly": outcome(topic, 1, validate_only=True),
            "validateOnlyBad": outcome(topic, 1, {"retention.ms": "soon"}, validate_only=True),
            "collision": outcome(f"{self.prefix}-co_lide", 1),
            "listed": topic in self.topics(),
        }


def member(bootstrap, group, topic, protocol):
    """Consumes until it is told to end; every assignment and every record is printed."""
    config = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "group.protocol": protocol,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    if protocol == "classic":
        config.update(
            {
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 500,
                "partition.assignment.strategy": "range",
            }
        )
    consumer = Consumer(config)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))

    consumer.subscribe([topic])
    assigned = None
    while not ended:
        messages = consumer.consume(500, 0.2)
        now = sorted(p.partition for p in consumer.assignment())
        if now != assigned:
            assigned = now
            say({"assigned": assigned})
        records = [[m.partition(), m.offset()] for m in messages if not m.error()]
        for m in messages:
            if m.error():
                say({"error": m.error().name()})
        if records:
            consumer.commit(asynchronous=False)
            say({"seen": records})
    consumer.close()


def fill(bootstrap, topic, count, partitions):
    """Writes to all partitions in turn; makes the topic if it is not there."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    if topic not in admin.list_topics(timeout=WAIT_S).topics:
        admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(WAIT_S)
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    failed = []
    for i in range(count):
        producer.produce(
            topic, b"%d" % i, partition=i % partitions, on_delivery=lambda e, _: failed.append(e) if e else None
        )
    producer.flush(WAIT_S)
    say({"filled": count - len(failed)})


if __name__ == "__main__":
    verb, *args = sys.argv[1:]
    if verb == "scenario":
        Scenario(*args).run()
    elif verb == "member":
        member(*args)
    else:
        fill(args[0], args[1], int(args[2]), int(args[3]))
