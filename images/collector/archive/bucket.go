package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// S3Config says in which bucket a copy of each segment is kept.
type S3Config struct {
	// Bucket is its name. Required.
	Bucket string `mapstructure:"bucket"`
	// Region is where it is. Required.
	Region string `mapstructure:"region"`
	// Prefix is what keys begin with, without a slash at its end. Required.
	Prefix string `mapstructure:"prefix"`
	// Node is the name of this machine, and part of each key. Required.
	Node string `mapstructure:"node"`
}

// check reports what is wrong with the configuration.
func (c *S3Config) check() error {
	var faults []error
	for _, required := range []struct{ name, value string }{
		{"bucket", c.Bucket}, {"region", c.Region}, {"prefix", c.Prefix}, {"node", c.Node},
	} {
		if required.value == "" {
			faults = append(faults, fmt.Errorf("s3.%s is missing", required.name))
		}
	}
	return errors.Join(faults...)
}

// putTime bounds one attempt to store a segment, of 8 MiB at most: one that hangs
// would keep all others waiting.
const putTime = time.Minute

// bucket is an S3 bucket.
type bucket struct {
	client *s3.Client
	name   string
}

// openBucket looks for credentials, and talks to nobody yet. Those of the node
// are not among them: what a collector may do is not what its node may.
func openBucket(ctx context.Context, c S3Config) (*bucket, error) {
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(c.Region),
		config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	if err != nil {
		return nil, fmt.Errorf("archive: preparing to write to bucket %s: %w", c.Bucket, err)
	}
	return &bucket{client: s3.NewFromConfig(loaded), name: c.Bucket}, nil
}

// put stores an object, encrypted as the bucket says.
func (b *bucket) put(ctx context.Context, key string, content io.ReadSeeker) error {
	ctx, cancel := context.WithTimeout(ctx, putTime)
	defer cancel()
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String(b.name), Key: aws.String(key), Body: content, ContentType: aws.String("application/gzip"),
	})
	return err
}
