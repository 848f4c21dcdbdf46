package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

// saramaProduce produces one record.
func saramaProduce(bootstrap, topic string) error {
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer producer.Close()
	_, _, err = producer.SendMessage(&sarama.ProducerMessage{
		Topic: topic,
		Value: sarama.StringEncoder("value"),
	})
	return err
}

// saramaConsole asks what a console asks for its overview.
func saramaConsole(_ context.Context, bootstrap, topic string) error {
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	settings := map[string]*string{}
	for name, value := range topicSettings {
		settings[name] = &value
	}
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: settings}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		return err
	}
	if err := saramaProduce(bootstrap, topic); err != nil {
		return err
	}
	return errors.Join(saramaLogDirs(admin, topic), saramaNothing(admin, topic))
}

func saramaLogDirs(admin sarama.ClusterAdmin, topic string) error {
	brokers, _, err := admin.DescribeCluster()
	if err != nil {
		return err
	}
	described, err := admin.DescribeLogDirs([]int32{brokers[0].ID()})
	if err != nil {
		return fmt.Errorf("log directories: %w", err)
	}
	var size int64
	for _, dir := range described[brokers[0].ID()] {
		for _, found := range dir.Topics {
			if found.Topic == topic {
				size += found.Partitions[0].Size
			}
		}
	}
	if size <= 0 {
		return fmt.Errorf("log directories: %s has %d bytes", topic, size)
	}
	return nil
}

// saramaNothing asks for what the broker under test does not have.
func saramaNothing(admin sarama.ClusterAdmin, topic string) error {
	users := []sarama.QuotaFilterComponent{
		{EntityType: sarama.QuotaEntityUser, MatchType: sarama.QuotaMatchAny},
	}
	quotas, err := admin.DescribeClientQuotas(users, false)
	err = errors.Join(err, same(len(quotas), 0, "quotas"))

	scrams, scramErr := admin.DescribeUserScramCredentials(nil)
	err = errors.Join(err, scramErr, same(len(scrams), 0, "SCRAM users"))

	moving, movingErr := admin.ListPartitionReassignments(topic, []int32{0})
	err = errors.Join(err, movingErr, same(len(moving), 0, "reassignments"))

	elected, electErr := admin.ElectLeaders(sarama.PreferredElection, map[string][]int32{topic: {0}})
	err = errors.Join(err, electErr)
	if result := elected[topic][0]; result == nil {
		err = errors.Join(err, errors.New("electing a leader: no answer for the partition"))
	} else {
		err = errors.Join(err, same(result.ErrorCode, sarama.ErrElectionNotNeeded, "electing a leader"))
	}

	_, rightsErr := admin.ListAcls(sarama.AclFilter{
		ResourceType:              sarama.AclResourceAny,
		ResourcePatternTypeFilter: sarama.AclPatternAny,
		PermissionType:            sarama.AclPermissionAny,
		Operation:                 sarama.AclOperationAny,
	})
	if !errors.Is(rightsErr, sarama.ErrSecurityDisabled) {
		err = errors.Join(err, fmt.Errorf("rights without an authorizer: %w", rightsErr))
	}
	return err
}

// saramaAssignment lays out the replicas of a topic itself.
func saramaAssignment(_ context.Context, bootstrap, topic string) error {
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	brokers, _, err := admin.DescribeCluster()
	if err != nil {
		return err
	}
	own := brokers[0].ID()
	assigned := func(replicas ...int32) *sarama.TopicDetail {
		return &sarama.TopicDetail{
			NumPartitions:     -1,
			ReplicationFactor: -1,
			ReplicaAssignment: map[int32][]int32{0: replicas, 1: {own}},
		}
	}
	other := admin.CreateTopic(topic+"-other", assigned(own+1), false)
	if !errors.Is(other, sarama.ErrInvalidReplicaAssignment) {
		err = fmt.Errorf("another broker: %w", other)
	}
	return errors.Join(
		err,
		admin.CreateTopic(topic, assigned(own), false),
		admin.CreatePartitions(topic, 3, [][]int32{{own}}, false),
	)
}

// saramaRoundTrip produces a record and reads it back.
func saramaRoundTrip(ctx context.Context, bootstrap, topic string) error {
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		return err
	}
	if err := saramaProduce(bootstrap, topic); err != nil {
		return err
	}
	consumer, err := sarama.NewConsumer([]string{bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	defer partition.Close()
	select {
	case message := <-partition.Messages():
		return same(string(message.Value), "value", "the record")
	case <-ctx.Done():
		return errors.New("the record did not come")
	}
}
