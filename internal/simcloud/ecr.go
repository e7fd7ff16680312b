package simcloud

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"
)

var (
	repository       = token("ecr", "Repository")
	repositoryRules  = token("ecr", "LifecyclePolicy")
	repositoryPolicy = token("ecr", "RepositoryPolicy")
)

func registryKinds() []*kind {
	return []*kind{
		{
			token: repository, called: "ECR repository", action: "ecr:CreateRepository", id: "{name}", missing: "RepositoryNotFoundException", taken: "RepositoryAlreadyExistsException",
			quota: "repositories", replace: words("name encryptionConfigurations"), arn: "arn:{partition}:ecr:{region}:{account}:repository/{name}",
			naming: &naming{
				property: "name", max: 256, lower: true,
				pattern: regexp.MustCompile(`^(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*$`),
			},
			defaults: Props{"imageTagMutability": "MUTABLE", "forceDelete": false},
			outputs:  map[string]string{"repositoryUrl": "{account}.dkr.ecr.{region}.amazonaws.com/{name}", "registryId": "{account}"},
			rules: []rule{
				oneOf("imageTagMutability", "MUTABLE", "IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION", "MUTABLE_WITH_EXCLUSION"),
				oneOf("encryptionConfigurations[].encryptionType", "AES256", "KMS", "KMS_DSSE"),
			},
			create: func(o *op) error {
				for i, e := range o.in.Objects("encryptionConfigurations") {
					if name := e.Text("kmsKey"); name != "" && o.key(name) == nil {
						return refuse("KmsException", "encryptionConfigurations[%d].kmsKey: the key %s does not exist in %s", i, name, o.p.region)
					}
				}
				return nil
			},
			remove: func(o *op) error {
				if n := o.out.Number("simulatedImages"); n > 0 && !o.out.Flag("forceDelete") {
					return refuse("RepositoryNotEmptyException", "the repository '%s' cannot be deleted because it still contains %v images", o.record.ID, n)
				}
				return nil
			},
			creating: 2 * time.Second, deleting: 2 * time.Second,
		},
		{
			token: repositoryRules, called: "ECR lifecycle policy", action: "ecr:PutLifecyclePolicy", id: "{repository}", missing: "LifecyclePolicyNotFoundException",
			replace: words("repository policy"), outputs: map[string]string{"registryId": "{account}"}, refs: []ref{{path: "repository", token: repository, loose: true}},
			check: func(in Props, report fault) { checkImageRules(in["policy"], report) }, creating: time.Second, deleting: time.Second,
		},
		{
			token: repositoryPolicy, called: "ECR repository policy", action: "ecr:SetRepositoryPolicy", id: "{repository}", missing: "RepositoryPolicyNotFoundException",
			replace: words("repository"), outputs: map[string]string{"registryId": "{account}"}, refs: []ref{{path: "repository", token: repository, loose: true}},
			creating: time.Second, deleting: time.Second,
		},
	}
}

// checkImageRules reports what ECR finds wrong with a lifecycle policy.
func checkImageRules(value any, report fault) {
	text, ok := value.(string)
	if !ok {
		return
	}
	var policy struct {
		Rules []struct {
			RulePriority int    `json:"rulePriority"`
			Description  string `json:"description"`
			Selection    struct {
				TagStatus      string   `json:"tagStatus"`
				TagPrefixList  []string `json:"tagPrefixList"`
				TagPatternList []string `json:"tagPatternList"`
				CountType      string   `json:"countType"`
				CountUnit      string   `json:"countUnit"`
				CountNumber    int      `json:"countNumber"`
			} `json:"selection"`
			Action struct {
				Type string `json:"type"`
			} `json:"action"`
		} `json:"rules"`
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		report("policy", fmt.Sprintf("is no JSON object of a lifecycle policy: %v", err))
		return
	}
	if len(policy.Rules) == 0 {
		report("policy.rules", "is required and not set")
	}
	priorities, last := map[int]bool{}, 0
	for _, r := range policy.Rules {
		last = max(last, r.RulePriority)
	}
	for i, r := range policy.Rules {
		path := fmt.Sprintf("policy.rules[%d]", i)
		switch s := r.Selection; {
		case r.RulePriority < 1 || priorities[r.RulePriority]:
			report(path+".rulePriority", fmt.Sprintf("is %d, must be at least 1 and different in each rule", r.RulePriority))
		case r.Action.Type != "expire":
			report(path+".action.type", fmt.Sprintf("is %q, must be expire", r.Action.Type))
		case !slices.Contains(words("tagged untagged any"), s.TagStatus):
			report(path+".selection.tagStatus", fmt.Sprintf("is %q, must be tagged, untagged or any", s.TagStatus))
		case s.TagStatus == "any" && r.RulePriority != last:
			report(path+".rulePriority", "of the rule for any tag status must be the highest")
		case s.TagStatus == "tagged" && len(s.TagPrefixList) == 0 && len(s.TagPatternList) == 0:
			report(path+".selection", "of tagged images needs tagPrefixList or tagPatternList")
		case s.CountType == "sinceImagePushed" && s.CountUnit != "days":
			report(path+".selection.countUnit", "must be days for sinceImagePushed")
		case s.CountType == "imageCountMoreThan" && s.CountUnit != "":
			report(path+".selection.countUnit", "is not for imageCountMoreThan")
		case s.CountType != "sinceImagePushed" && s.CountType != "imageCountMoreThan":
			report(path+".selection.countType", fmt.Sprintf("is %q, must be sinceImagePushed or imageCountMoreThan", s.CountType))
		case s.CountNumber < 1:
			report(path+".selection.countNumber", fmt.Sprintf("is %d, must be at least 1", s.CountNumber))
		}
		priorities[r.RulePriority] = true
	}
}
