package grant_test

import (
	"fmt"

	"slipway.dev/slipway/components/grant"
)

// What a role may do is text that a review can read.
func ExampleDocument() {
	text, err := grant.Document(grant.Statement{
		Sid: "Read", Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::slipway-prod-logs/*"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(text)
	// Output: {"Version":"2012-10-17","Statement":[{"Sid":"Read","Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::slipway-prod-logs/*"]}]}
}
