"""Hold every IAM policy of the AWS stacks against parliament and cloudsplaining.

Usage: aws-judges.py DIRECTORY, which TestTerraform wrote with -judged.
"""

import json
import sys
from pathlib import Path

import parliament
from cloudsplaining.scan.policy_document import PolicyDocument

# Kinds of policies that belong to a resource. Parliament knows policies of
# identities; what it says of these is answered below.
OF_RESOURCES = (
    "assumeRolePolicy",
    "aws_kms_key",
    "aws_s3_bucket_policy",
    "policyDocument",
)

# Findings about them that are meant: the issue, and what the finding says.
ANSWERED = [
    # In a trust policy the resource is the role, in a key's policy the key.
    ("MALFORMED", "contains neither Resource nor NotResource"),
    ("RESOURCE_STAR", "kms:"),
    # It knows three federations by name, and others are not among them.
    ("UNKNOWN_FEDERATION_SOURCE", ":oidc-provider/"),
    # The condition is the one AWS documents for log groups.
    ("UNKNOWN_CONDITION_FOR_ACTION", "kms:EncryptionContext:aws:logs:arn"),
    ("MISMATCHED_TYPE", "ArnLike requires a value of type Arn"),
]


# What cloudsplaining looks for in policies of identities.
RISKS = (
    "allows_privilege_escalation",
    "permissions_management_without_constraints",
    "write_actions_without_constraints",
    "allows_data_exfiltration_actions",
    "credentials_exposure",
    "service_wildcard",
)

# The proof that it would find something: everything, on everything.
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
# And for parliament: what no service offers.
UNKNOWN = {"Effect": "Allow", "Action": "s3:NoSuchAction", "Resource": "*"}


def risks(document: dict) -> list[str]:
    """Say what cloudsplaining finds in a policy."""
    judged = PolicyDocument(document)
    found = ((risk, getattr(judged, risk)) for risk in RISKS)
    return [f"{risk}: {what}" for risk, what in found if what]


def answered(finding, of_resource: bool) -> bool:
    """Say whether a finding is meant."""
    text = f"{finding.detail}"
    return of_resource and any(
        finding.issue == issue and part in text for issue, part in ANSWERED
    )


def main() -> int:
    """Judge and report; 0 means nothing is left unanswered."""
    policies = sorted(Path(sys.argv[1]).glob("*/policies/*.json"))
    if not policies:
        print(f"no policies in {sys.argv[1]}: run TestTerraform with -judged first")
        return 1
    left = 0
    if not risks({"Version": "2012-10-17", "Statement": [EVERYTHING]}):
        left += 1
        print("cloudsplaining finds nothing in a policy that allows everything")
    unknown = json.dumps({"Version": "2012-10-17", "Statement": [UNKNOWN]})
    if not any(
        finding.issue == "UNKNOWN_ACTION"
        for finding in parliament.analyze_policy_string(unknown).findings
    ):
        left += 1
        print("parliament finds nothing in an action that does not exist")
    for path in policies:
        of_resource = any(kind in path.name for kind in OF_RESOURCES)
        for finding in parliament.analyze_policy_string(path.read_text()).findings:
            if not answered(finding, of_resource):
                left += 1
                print(
                    f"{path.parent.parent.name} {path.stem}: {finding.issue}: {finding.detail}"
                )
        if of_resource:
            continue
        for risk in risks(json.loads(path.read_text())):
            left += 1
            print(f"{path.parent.parent.name} {path.stem}: {risk}")
    print(f"{len(policies)} policies, {left} findings unanswered")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
