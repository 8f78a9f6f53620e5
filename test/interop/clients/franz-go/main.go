// franz-go: scenario | member | fill, see ../README.md. One JSON object a line.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	t0                = 1_700_000_000_000
	partitions        = 4
	perAcks           = 100
	idempotentRecords = 100_000
	wait              = 30 * time.Second
)

var brokerConfigs = []string{
	"auto.create.topics.enable", "compression.type", "group.max.session.timeout.ms", "group.min.session.timeout.ms",
	"log.cleanup.policy", "log.retention.hours", "log.segment.bytes", "message.max.bytes", "num.partitions",
	"offsets.retention.minutes",
}

type object map[string]any

type scenario struct {
	bootstrap, prefix string
	admin             *kadm.Client
}

func main() {
	verb, bootstrap, args := os.Args[1], os.Args[2], os.Args[3:]
	switch verb {
	case "scenario":
		s := &scenario{bootstrap: bootstrap, prefix: args[0]}
		s.admin = kadm.NewClient(s.client())
		s.run()
	case "member":
		member(bootstrap, args[0], args[1], args[2])
	default:
		fill(bootstrap, args[0], number(args[1]), number(args[2]))
	}
}

func (s *scenario) run() {
	topic := s.prefix + "-main"
	step("cluster", s.cluster)
	step("create", func() (any, error) { return s.create(topic, partitions, topicConfigs()) })
	step("create-again", func() (any, error) { return s.create(topic, partitions, nil) })
	step("describe", func() (any, error) { return s.describe(topic) })
	step("configs", func() (any, error) { return s.configs(topic) })
	step("configs-broker", s.configsOfBroker)
	step("configs-alter", func() (any, error) { return s.alterConfigs(topic) })
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		step("produce-"+codec, func() (any, error) { return s.produce(codec) })
		step("consume-"+codec, func() (any, error) { return s.consume(codec) })
	}
	step("idempotent", s.idempotent)
	step("log-append-time", s.logAppendTime)
	step("commit-resume", s.commitAndResume)
	step("offsets-for-times", s.offsetsForTimes)
	step("groups-list", s.groupsList)
	step("group-describe", s.groupDescribe)
	step("group-reset", s.groupReset)
	step("producers", s.producers)
	step("leader-epochs", s.leaderEpochs)
	step("delete-records", s.deleteRecords)
	step("add-partitions", func() (any, error) { return s.addPartitions(topic) })
	step("group-delete", s.groupDelete)
	step("log-dirs", s.logDirs)
	step("topic-delete", func() (any, error) { return s.topicDelete(topic) })
	step("error-unknown-topic", s.unknownTopic)
	step("error-too-large", s.tooLarge)
	step("error-invalid-config", s.invalidConfig)
	step("error-illegal-name", s.illegalNames)
	step("error-create", s.illegalCreations)
}

// -- steps

func (s *scenario) cluster() (any, error) {
	meta, err := s.admin.BrokerMetadata(ctx())
	if err != nil {
		return nil, err
	}
	isNode := slices.ContainsFunc(meta.Brokers, func(b kadm.BrokerDetail) bool { return b.NodeID == meta.Controller })
	return object{"nodes": len(meta.Brokers), "controllerIsNode": isNode, "clusterId": len(meta.Cluster) == 22}, nil
}

func (s *scenario) describe(topic string) (any, error) {
	topics, err := s.admin.ListTopics(ctx())
	if err != nil {
		return nil, err
	}
	var all []object
	for _, p := range topics[topic].Partitions.Sorted() {
		all = append(all, object{"partition": p.Partition, "error": name(p.Err), "leader": p.Leader >= 0,
			"epoch": p.LeaderEpoch >= 0, "replicas": len(p.Replicas), "isr": len(p.ISR), "offline": len(p.OfflineReplicas)})
	}
	id := topics[topic].ID
	return object{"listed": topics.Has(topic), "internal": topics[topic].IsInternal,
		"hasId": id != kadm.TopicID{}, "partitions": all}, nil
}

func (s *scenario) configs(topic string) (any, error) {
	described, err := s.configsOf(topic)
	if err != nil {
		return nil, err
	}
	all := object{}
	for _, each := range described {
		var synonyms []string
		for _, synonym := range each.Synonyms {
			synonyms = append(synonyms, fmt.Sprintf("%s=%s %s", synonym.Key, value(synonym.Value), synonym.Source))
		}
		all[each.Key] = []any{value(each.Value), each.Source.String(), each.Sensitive, synonyms}
	}
	return all, nil
}

func (s *scenario) configsOfBroker() (any, error) {
	brokers, err := s.admin.ListBrokers(ctx())
	if err != nil {
		return nil, err
	}
	described, err := s.admin.DescribeBrokerConfigs(ctx(), brokers[0].NodeID)
	if err != nil {
		return nil, err
	}
	chosen := object{}
	for _, name := range brokerConfigs {
		chosen[name] = "(none)"
		for _, each := range described[0].Configs {
			if each.Key == name {
				chosen[name] = value(each.Value)
			}
		}
	}
	return chosen, nil
}

func (s *scenario) alterConfigs(topic string) (any, error) {
	err := s.alter(topic, kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.bytes", Value: text("123456")},
		kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "segment.bytes"},
		kadm.AlterConfig{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: text("compact")})
	if err != nil {
		return nil, err
	}
	after := object{}
	err = until("altered configuration", func() bool {
		described, _ := s.configsOf(topic)
		for _, each := range described {
			if slices.Contains([]string{"retention.bytes", "segment.bytes", "cleanup.policy"}, each.Key) {
				after[each.Key] = []any{value(each.Value), each.Source.String()}
			}
		}
		return len(after) == 3 && after["retention.bytes"].([]any)[0] == "123456"
	})
	unknown := s.alter(topic, kadm.AlterConfig{Op: kadm.SetConfig, Name: "no.such.config", Value: text("1")})
	invalid := s.alter(topic, kadm.AlterConfig{Op: kadm.SetConfig, Name: "retention.ms", Value: text("soon")})
	return object{"after": after, "unknown": name(unknown), "invalid": name(invalid)}, err
}

func (s *scenario) produce(codec string) (any, error) {
	topic := s.prefix + "-" + codec
	if _, err := s.create(topic, partitions, map[string]*string{"retention.ms": text("-1")}); err != nil {
		return nil, err
	}
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	acks := map[string]kgo.Acks{"1": kgo.LeaderAck(), "all": kgo.AllISRAcks(), "0": kgo.NoAck()}
	outcome := object{}
	n := 0
	for _, each := range []string{"1", "all", "0"} {
		client := s.client(kgo.ProducerBatchCompression(codecs[codec]), kgo.RequiredAcks(acks[each]),
			kgo.DisableIdempotentWrite(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20*time.Millisecond))
		var records []*kgo.Record
		for range perAcks {
			records = append(records, record(codec, topic, n))
			n++
		}
		results := client.ProduceSync(ctx(), records...)
		client.Close()
		if err := results.FirstErr(); err != nil {
			return nil, err
		}
		offsets := map[int32][]int64{}
		for _, result := range results {
			at := result.Record.Offset
			if each == "0" { // No offset is known.
				continue
			}
			if offsets[result.Record.Partition] == nil {
				offsets[result.Record.Partition] = []int64{at, at}
			}
			offsets[result.Record.Partition][0] = min(offsets[result.Record.Partition][0], at)
			offsets[result.Record.Partition][1] = max(offsets[result.Record.Partition][1], at)
		}
		outcome[each] = object{"delivered": len(results), "offsets": offsets}
	}
	return outcome, nil
}

func (s *scenario) consume(codec string) (any, error) {
	topic := s.prefix + "-" + codec
	records, err := s.readAll(topic, partitions, 3*perAcks)
	if err != nil {
		return nil, err
	}
	lines := map[int32][]string{}
	wrong := 0
	for _, r := range records {
		// Partition p has the records p, p + 4, p + 8, ... in the order written.
		position := len(lines[r.Partition])
		expected := record(codec, topic, int(r.Partition)+position*partitions)
		if r.Offset != int64(position) || line(r) != line(expected) {
			wrong++
			fmt.Fprintf(os.Stderr, "%s: expected %s at %d, have %s at %d\n", codec, line(expected), position, line(r), r.Offset)
		}
		lines[r.Partition] = append(lines[r.Partition], fmt.Sprint(r.Offset, " ", r.Attrs.TimestampType(), line(r)))
	}
	parts := object{}
	for p, all := range lines {
		sum := sha256.Sum256([]byte(strings.Join(all, "\n")))
		parts[strconv.Itoa(int(p))] = object{"records": len(all), "digest": hex.EncodeToString(sum[:8])}
	}
	return object{"records": len(records), "wrong": wrong, "partitions": parts}, nil
}

func (s *scenario) idempotent() (any, error) {
	topic := s.prefix + "-idem"
	if _, err := s.create(topic, 3, map[string]*string{"retention.ms": text("-1")}); err != nil {
		return nil, err
	}
	client := s.client(kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.DefaultProduceTopic(topic))
	var mu sync.Mutex
	failed := 0
	for i := range idempotentRecords {
		r := &kgo.Record{Key: []byte("k" + strconv.Itoa(i)), Value: []byte(strconv.Itoa(i))}
		client.Produce(ctx(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				failed++
				mu.Unlock()
			}
		})
	}
	if err := client.Flush(ctx()); err != nil {
		return nil, err
	}
	client.Close()
	records, err := s.readAll(topic, 3, idempotentRecords)
	if err != nil {
		return nil, err
	}
	last := map[int32][2]int64{}
	seen := map[int64]bool{}
	unordered := 0
	for _, r := range records {
		n := int64(number(string(r.Value)))
		if before, ok := last[r.Partition]; ok && (n <= before[1] || r.Offset != before[0]+1) {
			unordered++
		}
		last[r.Partition] = [2]int64{r.Offset, n}
		seen[n] = true
	}
	lastOffsets := object{}
	for p, each := range last {
		lastOffsets[strconv.Itoa(int(p))] = each[0]
	}
	return object{"failed": failed, "records": len(records), "distinct": len(seen), "unordered": unordered,
		"lastOffsets": lastOffsets}, nil
}

func (s *scenario) logAppendTime() (any, error) {
	topic := s.prefix + "-append-time"
	if _, err := s.create(topic, 1, map[string]*string{"message.timestamp.type": text("LogAppendTime")}); err != nil {
		return nil, err
	}
	client := s.client()
	defer client.Close()
	result := client.ProduceSync(ctx(), &kgo.Record{Topic: topic, Value: []byte("v"), Timestamp: time.UnixMilli(t0)})
	if err := result.FirstErr(); err != nil {
		return nil, err
	}
	records, err := s.readAll(topic, 1, 1)
	if err != nil {
		return nil, err
	}
	return object{"type": records[0].Attrs.TimestampType(), "byTheBroker": records[0].Timestamp.UnixMilli() > t0}, nil
}

func (s *scenario) commitAndResume() (any, error) {
	topic, group := s.prefix+"-none", s.prefix+"-g"
	firstOf := func(commit bool) (int64, error) {
		client := s.client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6*time.Second), kgo.FetchMaxWait(200*time.Millisecond))
		defer client.Close()
		first := int64(-1)
		err := until("a record of partition 0", func() bool {
			client.PollFetches(ctx()).EachRecord(func(r *kgo.Record) {
				if r.Partition == 0 && first < 0 {
					first = r.Offset
				}
			})
			return first >= 0
		})
		if err == nil && commit {
			r := &kgo.Record{Topic: topic, Partition: 0, Offset: 29, LeaderEpoch: 0}
			err = client.CommitRecords(ctx(), r)
		}
		return first, err
	}
	first, err := firstOf(true)
	if err != nil {
		return nil, err
	}
	resumed, err := firstOf(false)
	if err != nil {
		return nil, err
	}
	committed, err := s.committed(group)
	return object{"first": first, "resumedAt": resumed, "committed": committed}, err
}

func (s *scenario) offsetsForTimes() (any, error) {
	topic := s.prefix + "-none"
	outcome := object{}
	take := func(name string, listed kadm.ListedOffsets, err error) {
		if err != nil {
			outcome[name] = nameOf(err)
			return
		}
		at, _ := listed.Lookup(topic, 0)
		outcome[name] = []any{at.Offset, at.Timestamp, at.LeaderEpoch, nameOf(at.Err)}
	}
	for name, ms := range map[string]int64{"before": 1, "exact": t0 + 40_000, "between": t0 + 40_001, "after": t0 + 1e9} {
		listed, err := s.admin.ListOffsetsAfterMilli(ctx(), ms, topic)
		take(name, listed, err)
	}
	listed, err := s.admin.ListStartOffsets(ctx(), topic)
	take("start", listed, err)
	listed, err = s.admin.ListEndOffsets(ctx(), topic)
	take("end", listed, err)
	listed, err = s.admin.ListCommittedOffsets(ctx(), topic)
	take("lastStable", listed, err)
	listed, err = s.admin.ListMaxTimestampOffsets(ctx(), topic)
	take("max", listed, err)
	listed, err = s.admin.ListLocalLogStartOffsets(ctx(), topic)
	take("localStart", listed, err)
	listed, err = s.admin.ListLatestRemoteOffsets(ctx(), topic)
	take("latestRemote", listed, err)
	return outcome, nil
}

func (s *scenario) groupsList() (any, error) {
	find := func(listed kadm.ListedGroups, err error) any {
		if err != nil {
			return nameOf(err)
		}
		found := []string{}
		for _, group := range listed.Sorted() {
			if strings.HasPrefix(group.Group, s.prefix) {
				found = append(found, fmt.Sprintf("%s %s %s", group.Group, group.ProtocolType, group.State))
			}
		}
		return found
	}
	all, allErr := s.admin.ListGroups(ctx())
	stable, stableErr := s.admin.ListGroups(ctx(), "Stable")
	consumer, consumerErr := s.admin.ListGroupsByType(ctx(), []string{"consumer"})
	return object{"all": find(all, allErr), "stable": find(stable, stableErr), "consumer": find(consumer, consumerErr)}, nil
}

func (s *scenario) groupDescribe() (any, error) {
	describe := func(group string) object {
		described, err := s.admin.DescribeGroups(ctx(), group)
		of := described[group]
		return object{"err": name(err), "state": of.State, "type": of.ProtocolType, "protocol": of.Protocol,
			"members": len(of.Members), "error": name(of.Err)}
	}
	consumer, err := s.admin.DescribeConsumerGroups(ctx(), s.prefix+"-g")
	return object{"of": describe(s.prefix + "-g"), "missing": describe(s.prefix + "-missing"),
		"asConsumer": []string{name(err), name(consumer[s.prefix+"-g"].Err)}}, nil
}

func (s *scenario) committed(group string) (any, error) {
	offsets, err := s.admin.FetchOffsets(ctx(), group)
	found := []string{}
	for _, at := range offsets.Sorted() {
		metadata := at.Metadata
		if strings.HasPrefix(metadata, "kgo-") {
			metadata = "(member id)"
		}
		found = append(found, fmt.Sprintf("%d: %d '%s' %s", at.Partition, at.At, metadata, name(at.Err)))
	}
	return found, err
}

func (s *scenario) groupReset() (any, error) {
	group, topic := s.prefix+"-g", s.prefix+"-none"
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, 10, -1)
	offsets.AddOffset(topic, 1, 5, -1)
	if _, err := s.admin.CommitOffsets(ctx(), group, offsets); err != nil {
		return nil, err
	}
	after, err := s.committed(group)
	if err != nil {
		return nil, err
	}
	set := kadm.TopicsSet{}
	set.Add(topic, 1)
	deleted, err := s.admin.DeleteOffsets(ctx(), group, set)
	if err != nil {
		return nil, err
	}
	left, err := s.committed(group)
	if err != nil {
		return nil, err
	}
	var unknown kadm.Offsets
	unknown.AddOffset(s.prefix+"-missing", 0, 1, -1)
	responses, err := s.admin.CommitOffsets(ctx(), group, unknown)
	return object{"after": after, "deleted": name(deleted.Error()), "left": left,
		"unknownTopic": []string{name(err), name(responses.Error())}}, nil
}

func (s *scenario) producers() (any, error) {
	set := kadm.TopicsSet{}
	set.Add(s.prefix+"-idem", 0)
	described, err := s.admin.DescribeProducers(ctx(), set)
	if err != nil {
		return nil, err
	}
	var found []object
	described.EachPartition(func(p kadm.DescribedProducersPartition) {
		for _, each := range p.ActiveProducers.Sorted() {
			found = append(found, object{"epoch": each.ProducerEpoch, "sequenced": each.LastSequence > 0,
				"coordinator": each.CoordinatorEpoch, "transaction": each.CurrentTxnStartOffset})
		}
	})
	return found, nil
}

func (s *scenario) leaderEpochs() (any, error) {
	var request kadm.OffsetForLeaderEpochRequest
	request.Add(s.prefix+"-none", 0, 0)
	found, err := s.admin.OffsetForLeaderEpoch(ctx(), request)
	if err != nil {
		return nil, err
	}
	var all []object
	for _, each := range found[s.prefix+"-none"] {
		all = append(all, object{"epoch": each.LeaderEpoch, "end": each.EndOffset, "error": name(each.Err)})
	}
	return all, nil
}

func (s *scenario) deleteRecords() (any, error) {
	topic := s.prefix + "-none"
	trim := func(offset int64) (int64, string) {
		var offsets kadm.Offsets
		offsets.AddOffset(topic, 0, offset, -1)
		deleted, err := s.admin.DeleteRecords(ctx(), offsets)
		if err != nil {
			return -1, name(err)
		}
		response, _ := deleted.Lookup(topic, 0)
		return response.LowWatermark, name(response.Err)
	}
	low, err := trim(20)
	_, beyond := trim(1_000_000)
	start, startErr := s.admin.ListStartOffsets(ctx(), topic)
	at, _ := start.Lookup(topic, 0)
	client := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(3)}}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer client.Close()
	first := int64(-1)
	waitErr := until("a record", func() bool {
		client.PollFetches(ctx()).EachRecord(func(r *kgo.Record) {
			if first < 0 {
				first = r.Offset
			}
		})
		return first >= 0
	})
	return object{"low": low, "error": err, "beyond": beyond, "start": at.Offset, "first": first}, errors.Join(startErr, waitErr)
}

func (s *scenario) addPartitions(topic string) (any, error) {
	grow := func(count int, topic string) string {
		responses, err := s.admin.UpdatePartitions(ctx(), count, topic)
		if err != nil {
			return name(err)
		}
		return name(responses[topic].Err)
	}
	validated, err := s.admin.ValidateUpdatePartitions(ctx(), 6, topic)
	if err != nil {
		return nil, err
	}
	grown := grow(6, topic)
	count := 0
	err = until("6 partitions", func() bool {
		topics, _ := s.admin.ListTopics(ctx(), topic)
		count = len(topics[topic].Partitions)
		return count == 6
	})
	return object{"validated": name(validated[topic].Err), "grown": grown, "count": count, "fewer": grow(2, topic),
		"unknown": grow(6, s.prefix+"-missing")}, err
}

func (s *scenario) groupDelete() (any, error) {
	_, deleted := s.admin.DeleteGroup(ctx(), s.prefix+"-g")
	_, again := s.admin.DeleteGroup(ctx(), s.prefix+"-g")
	return object{"deleted": name(deleted), "again": name(again)}, nil
}

func (s *scenario) logDirs() (any, error) {
	set := kadm.TopicsSet{}
	set.Add(s.prefix+"-lz4", 0, 1, 2, 3)
	described, err := s.admin.DescribeAllLogDirs(ctx(), set)
	if err != nil {
		return nil, err
	}
	found := []string{}
	described.Each(func(dir kadm.DescribedLogDir) {
		dir.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			found = append(found, fmt.Sprint(p.Topic, " ", p.Partition, " ", p.Size > 0, " ", p.OffsetLag, " ", p.IsFuture))
		})
	})
	slices.Sort(found)
	return object{"partitions": found}, nil
}

func (s *scenario) topicDelete(topic string) (any, error) {
	remove := func() string {
		_, err := s.admin.DeleteTopic(ctx(), topic)
		return name(err)
	}
	deleted := remove()
	err := until("topic gone", func() bool {
		topics, _ := s.admin.ListTopics(ctx())
		return !topics.Has(topic)
	})
	return object{"deleted": deleted, "again": remove()}, err
}

func (s *scenario) deliver(topic string, size int, opts ...kgo.Opt) string {
	client := s.client(append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(2))...)
	defer client.Close()
	return name(client.ProduceSync(ctx(), &kgo.Record{Topic: topic, Value: make([]byte, size)}).FirstErr())
}

func (s *scenario) unknownTopic() (any, error) {
	missing := s.prefix + "-missing"
	topics, err := s.admin.ListTopics(ctx(), missing)
	if err != nil {
		return nil, err
	}
	_, configsErr := s.configsOf(missing)
	return object{"produce": s.deliver(missing, 1), "describe": name(topics[missing].Err), "configs": name(configsErr)}, nil
}

func (s *scenario) tooLarge() (any, error) {
	topic := s.prefix + "-small"
	if _, err := s.create(topic, 1, map[string]*string{"max.message.bytes": text("2000")}); err != nil {
		return nil, err
	}
	plain := kgo.ProducerBatchCompression(kgo.NoCompression())
	return object{"plain": s.deliver(topic, 3000, plain), "allowed": s.deliver(topic, 1000, plain),
		"compressedBelow": s.deliver(topic, 3000, kgo.ProducerBatchCompression(kgo.GzipCompression()))}, nil
}

func (s *scenario) invalidConfig() (any, error) {
	topic := s.prefix + "-bad"
	outcome := object{}
	for _, pair := range [][2]string{{"retention.ms", "soon"}, {"no.such.config", "1"}, {"cleanup.policy", "burn"},
		{"segment.bytes", "1"}} {
		_, err := s.create(topic, 1, map[string]*string{pair[0]: &pair[1]})
		outcome[pair[0]+"="+pair[1]] = name(err)
	}
	topics, err := s.admin.ListTopics(ctx())
	outcome["listed"] = topics.Has(topic)
	return outcome, err
}

func (s *scenario) illegalNames() (any, error) {
	outcome := object{}
	for _, topic := range []string{"", "a b", "..", ".", "a/b", strings.Repeat("x", 250), "caf\u00e9"} {
		_, err := s.create(topic, 1, nil)
		outcome[topic[:min(10, len(topic))]] = name(err)
	}
	return outcome, nil
}

func (s *scenario) illegalCreations() (any, error) {
	topic := s.prefix + "-bad"
	create := func(partitions int32, replicas int16, configs map[string]*string) string {
		_, err := s.admin.CreateTopic(ctx(), partitions, replicas, configs, topic)
		return name(err)
	}
	if _, err := s.create(s.prefix+"-co.lide", 1, nil); err != nil {
		return nil, err
	}
	_, collision := s.create(s.prefix+"-co_lide", 1, nil)
	validated, err := s.admin.ValidateCreateTopics(ctx(), 1, 1, nil, topic)
	if err != nil {
		return nil, err
	}
	topics, err := s.admin.ListTopics(ctx())
	return object{"noPartitions": create(0, 1, nil), "negativePartitions": create(-2, 1, nil), "replication": create(1, 3, nil),
		"noReplication": create(1, 0, nil), "collision": name(collision), "validated": name(validated[topic].Err),
		"listed": topics.Has(topic)}, err
}

// -- small tools

func (s *scenario) client(opts ...kgo.Opt) *kgo.Client { return newClient(s.bootstrap, opts...) }

func newClient(bootstrap string, opts ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.RetryTimeout(wait)}, opts...)...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return client
}

func (s *scenario) create(topic string, count int32, configs map[string]*string) (any, error) {
	created, err := s.admin.CreateTopic(ctx(), count, 1, configs, topic)
	return object{"partitions": created.NumPartitions, "replicas": created.ReplicationFactor,
		"configs": len(created.Configs)}, err
}

func (s *scenario) configsOf(topic string) ([]kadm.Config, error) {
	described, err := s.admin.DescribeTopicConfigs(ctx(), topic)
	if err != nil {
		return nil, err
	}
	return described[0].Configs, described[0].Err
}

func (s *scenario) alter(topic string, changes ...kadm.AlterConfig) error {
	responses, err := s.admin.AlterTopicConfigs(ctx(), changes, topic)
	if err != nil {
		return err
	}
	return responses[0].Err
}

func (s *scenario) readAll(topic string, count, want int) ([]*kgo.Record, error) {
	offsets := map[int32]kgo.Offset{}
	for p := range count {
		offsets[int32(p)] = kgo.NewOffset().AtStart()
	}
	client := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	defer client.Close()
	var records []*kgo.Record
	err := until(fmt.Sprint(want, " records"), func() bool {
		polling, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		client.PollFetches(polling).EachRecord(func(r *kgo.Record) { records = append(records, r) })
		return len(records) >= want
	})
	return records, err
}

func record(codec, topic string, n int) *kgo.Record {
	i := n % perAcks
	r := &kgo.Record{Topic: topic, Partition: int32(n % partitions), Timestamp: time.UnixMilli(t0 + int64(n)*1000)}
	if i%7 != 0 {
		r.Key = []byte("key-" + strconv.Itoa(i%10))
	}
	r.Value = []byte(fmt.Sprintf("value-%s-%d-%s", codec, n, strings.Repeat("x", 3*i)))
	if i%13 == 0 {
		r.Value = []byte{}
	}
	if i%11 == 0 {
		r.Value = nil
	}
	if i%5 != 0 {
		r.Headers = []kgo.RecordHeader{{Key: "h1", Value: []byte("a" + strconv.Itoa(n))}, {Key: "h1", Value: []byte("b")},
			{Key: "empty", Value: []byte{}}, {Key: "null", Value: nil}}
	}
	return r
}

func line(r *kgo.Record) string {
	parts := []string{strconv.FormatInt(r.Timestamp.UnixMilli(), 10), shown(r.Key), shown(r.Value)}
	for _, header := range r.Headers {
		parts = append(parts, header.Key+"="+shown(header.Value))
	}
	return strings.Join(parts, " ")
}

func shown(bytes []byte) string {
	if bytes == nil {
		return "null"
	}
	return hex.EncodeToString(bytes)
}

func topicConfigs() map[string]*string {
	return map[string]*string{"retention.ms": text("-1"), "segment.bytes": text("1048576"),
		"max.message.bytes": text("200000"), "cleanup.policy": text("delete")}
}

func text(s string) *string { return &s }

func value(s *string) string {
	if s == nil {
		return "null"
	}
	return *s
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func ctx() context.Context {
	// Nothing here may hang: the step fails and the next one runs.
	timed, cancel := context.WithTimeout(context.Background(), 2*wait)
	time.AfterFunc(2*wait, cancel)
	return timed
}

// name is the protocol's name of an error, or "ok".
func name(err error) string {
	if err == nil {
		return "ok"
	}
	return nameOf(err)
}

func nameOf(err error) string {
	var kafka *kerr.Error
	if errors.As(err, &kafka) {
		return kafka.Message
	}
	if err == nil {
		return "ok"
	}
	return err.Error()
}

func until(what string, condition func() bool) error {
	deadline := time.Now().Add(wait)
	for !condition() {
		if time.Now().After(deadline) {
			return errors.New("no " + what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

func step(name string, run func() (any, error)) {
	started := time.Now()
	outcome, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		outcome = object{"error": nameOf(err)}
	}
	say(object{"step": name, "outcome": outcome, "seconds": time.Since(started).Seconds()})
}

var saying sync.Mutex

func say(line object) {
	saying.Lock()
	defer saying.Unlock()
	bytes, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(bytes))
}

// -- the other verbs

func member(bootstrap, group, topic, protocol string) {
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var mu sync.Mutex
	assigned := map[int32]bool{}
	change := func(has bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			mu.Lock()
			defer mu.Unlock()
			for _, p := range changed[topic] {
				if has {
					assigned[p] = true
				} else {
					delete(assigned, p)
				}
			}
			all := []int32{}
			for p := range assigned {
				all = append(all, p)
			}
			slices.Sort(all)
			say(object{"assigned": all})
		}
	}
	opts := []kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(200 * time.Millisecond),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false))}
	if protocol == "consumer" {
		opts = append(opts, kgo.ServerSideBalancer())
	} else {
		opts = append(opts, kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond),
			kgo.Balancers(kgo.RangeBalancer()))
	}
	client := newClient(bootstrap, opts...)
	for asked.Err() == nil {
		seen := [][]int64{}
		fetches := client.PollFetches(asked)
		fetches.EachRecord(func(r *kgo.Record) { seen = append(seen, []int64{int64(r.Partition), r.Offset}) })
		if len(seen) == 0 {
			continue
		}
		if err := client.CommitUncommittedOffsets(ctx()); err != nil {
			say(object{"error": nameOf(err)})
		}
		say(object{"seen": seen})
	}
	client.Close()
}

// fill writes to all partitions in turn; it makes the topic if it is not there.
func fill(bootstrap, topic string, count, partitions int) {
	client := newClient(bootstrap, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx(), int32(partitions), 1, nil, topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var records []*kgo.Record
	for i := range count {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(i % partitions), Value: []byte(strconv.Itoa(i))})
	}
	if err := client.ProduceSync(ctx(), records...).FirstErr(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	say(object{"filled": count})
}
