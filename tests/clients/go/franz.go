package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func connect(bootstrap string, options ...kgo.Opt) (*kgo.Client, *kadm.Client, error) {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(bootstrap))...)
	if err != nil {
		return nil, nil, err
	}
	return client, kadm.NewClient(client), nil
}

// createTopic creates a topic with one partition and settings of others.
func createTopic(ctx context.Context, admin *kadm.Client, topic string) error {
	settings := map[string]*string{}
	for name, value := range topicSettings {
		settings[name] = &value
	}
	if _, err := admin.CreateTopic(ctx, 1, 1, settings, topic); err != nil {
		return fmt.Errorf("creating %s: %w", topic, err)
	}
	described, err := admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	shown := map[string]string{}
	for _, config := range described[0].Configs {
		shown[config.Key] = config.MaybeValue()
	}
	for name, value := range topicSettings {
		if err := same(shown[name], value, name); err != nil {
			return err
		}
	}
	return nil
}

// franzConsole asks what a console asks for its overview.
func franzConsole(ctx context.Context, bootstrap, topic string) error {
	client, admin, err := connect(bootstrap)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := createTopic(ctx, admin, topic); err != nil {
		return err
	}
	record := &kgo.Record{Topic: topic, Value: []byte("value")}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return err
	}
	return errors.Join(
		franzLogDirs(ctx, admin, topic),
		franzNothing(ctx, admin),
		franzLeaders(ctx, admin, topic),
		franzResources(ctx, admin, topic),
	)
}

func franzLogDirs(ctx context.Context, admin *kadm.Client, topic string) error {
	described, err := admin.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return fmt.Errorf("log directories: %w", err)
	}
	var size int64
	described.Each(func(dir kadm.DescribedLogDir) {
		err = errors.Join(err, dir.Err)
		size += dir.Topics[topic][0].Size
	})
	if err == nil && size <= 0 {
		err = fmt.Errorf("log directories: %s has %d bytes", topic, size)
	}
	return err
}

// franzNothing asks for what the broker under test does not have.
func franzNothing(ctx context.Context, admin *kadm.Client) error {
	users := []kadm.DescribeClientQuotaComponent{{Type: "user", MatchType: kmsg.QuotasMatchTypeAny}}
	quotas, err := admin.DescribeClientQuotas(ctx, false, users)
	err = errors.Join(err, same(len(quotas), 0, "quotas"))

	scrams, scramErr := admin.DescribeUserSCRAMs(ctx)
	err = errors.Join(err, scramErr, same(len(scrams), 0, "SCRAM users"))
	scrams, scramErr = admin.DescribeUserSCRAMs(ctx, "joe")
	err = errors.Join(err, scramErr, same(scrams["joe"].Err, error(kerr.ResourceNotFound), "joe"))

	moving, movingErr := admin.ListPartitionReassignments(ctx, nil)
	err = errors.Join(err, movingErr, same(len(moving), 0, "reassignments"))

	rights, rightsErr := admin.DescribeACLs(ctx, kadm.NewACLs().AnyResource().
		Allow().AllowHosts().Operations(kadm.OpAny).ResourcePatternType(kadm.ACLPatternAny))
	if rightsErr == nil && len(rights) > 0 {
		rightsErr = rights[0].Err
	}
	if !errors.Is(rightsErr, kerr.SecurityDisabled) {
		err = errors.Join(err, fmt.Errorf("rights without an authorizer: %w", rightsErr))
	}
	return err
}

func franzLeaders(ctx context.Context, admin *kadm.Client, topic string) error {
	var wanted kadm.TopicsSet
	wanted.Add(topic, 0)
	elected, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, wanted)
	if err != nil {
		return fmt.Errorf("electing leaders: %w", err)
	}
	return same(elected[topic][0].Err, error(kerr.ElectionNotNeeded), "electing a leader")
}

func franzResources(ctx context.Context, admin *kadm.Client, topic string) error {
	resources, err := admin.ListConfigResources(ctx)
	if err = errors.Join(err, resources.Err); err != nil {
		return fmt.Errorf("resources with a configuration: %w", err)
	}
	for _, resource := range resources.Resources {
		if resource.Name == topic {
			return nil
		}
	}
	return fmt.Errorf("%s is not among the resources with a configuration", topic)
}

// franzAssignment lays out the replicas of a topic itself.
func franzAssignment(ctx context.Context, bootstrap, topic string) error {
	client, admin, err := connect(bootstrap)
	if err != nil {
		return err
	}
	defer client.Close()
	brokers, err := admin.ListBrokers(ctx)
	if err != nil {
		return err
	}
	own := brokers[0].NodeID
	create := func(topic string, replicas ...int32) error {
		request := kmsg.NewPtrCreateTopicsRequest()
		wanted := kmsg.NewCreateTopicsRequestTopic()
		wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, -1, -1
		for index := range int32(2) {
			assignment := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			assignment.Partition, assignment.Replicas = index, replicas
			wanted.ReplicaAssignment = append(wanted.ReplicaAssignment, assignment)
		}
		request.Topics = append(request.Topics, wanted)
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	grow := func(replicas ...int32) error {
		request := kmsg.NewPtrCreatePartitionsRequest()
		wanted := kmsg.NewCreatePartitionsRequestTopic()
		wanted.Topic, wanted.Count = topic, 3
		assignment := kmsg.NewCreatePartitionsRequestTopicAssignment()
		assignment.Replicas = replicas
		wanted.Assignment = append(wanted.Assignment, assignment)
		request.Topics = append(request.Topics, wanted)
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	refused := error(kerr.InvalidReplicaAssignment)
	return errors.Join(
		same(create(topic+"-other", own+1), refused, "another broker"),
		same(create(topic+"-empty"), refused, "no broker"),
		same(create(topic+"-twice", own, own), refused, "a broker twice"),
		same(create(topic, own), nil, "the only broker"),
		same(grow(own+1), refused, "a new partition on another broker"),
		same(grow(own), nil, "a new partition on the only broker"),
	)
}

// franzTransactions looks at a transaction while it is open, and after.
func franzTransactions(ctx context.Context, bootstrap, name string) error {
	client, admin, err := connect(bootstrap, kgo.TransactionalID(name))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := createTopic(ctx, admin, name); err != nil {
		return err
	}
	if err := client.BeginTransaction(); err != nil {
		return err
	}
	record := &kgo.Record{Topic: name, Value: []byte("value")}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return err
	}
	producerID, _, err := client.ProducerID(ctx)
	if err != nil {
		return err
	}

	listed, err := admin.ListTransactions(ctx, []int64{producerID}, []string{"Ongoing"})
	err = errors.Join(err, same(listed[name].State, "Ongoing", "the state as listed"))
	listed, patternErr := admin.ListTransactionsByTxPattern(ctx, nil, nil, name+".*")
	err = errors.Join(err, patternErr, same(listed[name].ProducerID, producerID, "by pattern"))
	described, describeErr := admin.DescribeTransactions(ctx, name)
	transaction := described[name]
	err = errors.Join(err, describeErr, transaction.Err,
		same(transaction.State, "Ongoing", "the state as described"),
		same(transaction.Topics.Lookup(name, 0), true, "the partition is part of it"))

	var wanted kadm.TopicsSet
	wanted.Add(name, 0)
	open := func() (int64, error) {
		producers, err := admin.DescribeProducers(ctx, wanted)
		if err != nil {
			return 0, err
		}
		return producers[name].Partitions[0].ActiveProducers[producerID].CurrentTxnStartOffset, nil
	}
	offset, openErr := open()
	err = errors.Join(err, openErr, same(offset, 0, "where the transaction begins"))
	err = errors.Join(err, client.EndTransaction(ctx, kgo.TryCommit))
	return err
}

// franzRoundTrip produces a record and reads it back.
func franzRoundTrip(ctx context.Context, bootstrap, topic string) error {
	client, admin, err := connect(bootstrap, kgo.ConsumeTopics(topic))
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		return err
	}
	record := &kgo.Record{Topic: topic, Value: []byte("value")}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return err
	}
	fetches := client.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		return err
	}
	return same(string(fetches.Records()[0].Value), "value", "the record")
}
