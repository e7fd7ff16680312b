package simcloud

// constraints are rules that the service models of botocore add.
var constraints = map[string][]rule{}
