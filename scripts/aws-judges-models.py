"""Hold what the AWS stacks send against botocore's models of AWS's APIs.

Usage: aws-judges-models.py DIRECTORY, which TestTerraform wrote with -judged.

Each type of resource is made by an API call. An attribute is a parameter of it
where the names agree but for their spelling, or where RENAMED says so; its value
must keep to the model's enums, patterns, lengths and ranges. An attribute that is
no parameter is a finding, unless ELSEWHERE says where it goes.
"""

import json
import re
import sys
from pathlib import Path

from botocore.loaders import Loader
from botocore.model import ServiceModel

# The call that makes, or sets, a type of resource.
CALLS = {
    "aws_autoscaling_attachment": ("autoscaling", "AttachTrafficSources"),
    "aws_autoscaling_schedule": ("autoscaling", "PutScheduledUpdateGroupAction"),
    "aws_budgets_budget": ("budgets", "CreateBudget.Budget"),
    "aws_ce_anomaly_monitor": ("ce", "CreateAnomalyMonitor.AnomalyMonitor"),
    "aws_ce_anomaly_subscription": (
        "ce",
        "CreateAnomalySubscription.AnomalySubscription",
    ),
    "aws_cloudwatch_log_group": ("logs", "CreateLogGroup"),
    "aws_cloudwatch_log_resource_policy": ("logs", "PutResourcePolicy"),
    "aws_ecr_lifecycle_policy": ("ecr", "PutLifecyclePolicy"),
    "aws_ecr_repository": ("ecr", "CreateRepository"),
    "aws_eip": ("ec2", "AllocateAddress"),
    "aws_eks_access_entry": ("eks", "CreateAccessEntry"),
    "aws_eks_access_policy_association": ("eks", "AssociateAccessPolicy"),
    "aws_eks_addon": ("eks", "CreateAddon"),
    "aws_eks_cluster": ("eks", "CreateCluster"),
    "aws_eks_node_group": ("eks", "CreateNodegroup"),
    "aws_flow_log": ("ec2", "CreateFlowLogs"),
    "aws_iam_openid_connect_provider": ("iam", "CreateOpenIDConnectProvider"),
    "aws_iam_role": ("iam", "CreateRole"),
    "aws_iam_role_policy": ("iam", "PutRolePolicy"),
    "aws_iam_role_policy_attachment": ("iam", "AttachRolePolicy"),
    "aws_kms_alias": ("kms", "CreateAlias"),
    "aws_kms_key": ("kms", "CreateKey"),
    "aws_launch_template": ("ec2", "CreateLaunchTemplate.LaunchTemplateData"),
    "aws_lb": ("elbv2", "CreateLoadBalancer"),
    "aws_lb_listener": ("elbv2", "CreateListener"),
    "aws_lb_target_group": ("elbv2", "CreateTargetGroup"),
    "aws_nat_gateway": ("ec2", "CreateNatGateway"),
    "aws_route": ("ec2", "CreateRoute"),
    "aws_route53_key_signing_key": ("route53", "CreateKeySigningKey"),
    "aws_route53_query_log": ("route53", "CreateQueryLoggingConfig"),
    "aws_route53_zone": ("route53", "CreateHostedZone"),
    "aws_route_table": ("ec2", "CreateRouteTable"),
    "aws_route_table_association": ("ec2", "AssociateRouteTable"),
    "aws_s3_bucket": ("s3", "CreateBucket"),
    "aws_s3_bucket_policy": ("s3", "PutBucketPolicy"),
    "aws_s3_bucket_public_access_block": (
        "s3",
        "PutPublicAccessBlock.PublicAccessBlockConfiguration",
    ),
    "aws_s3_bucket_versioning": ("s3", "PutBucketVersioning"),
    "aws_s3_bucket_ownership_controls": ("s3", "PutBucketOwnershipControls"),
    "aws_security_group": ("ec2", "CreateSecurityGroup"),
    "aws_subnet": ("ec2", "CreateSubnet"),
    "aws_vpc": ("ec2", "CreateVpc"),
    "aws_vpc_endpoint": ("ec2", "CreateVpcEndpoint"),
}

# Types whose calls have another shape than their attributes: they are judged by
# the other judges and by the simulation alone.
UNLIKE = {
    "aws_default_security_group": "it is adopted, not made",
    "aws_internet_gateway": "made without parameters, then attached",
    "aws_route53_hosted_zone_dnssec": "a switch",
    "aws_route53_record": "a batch of changes",
    "aws_s3_bucket_lifecycle_configuration": "rules nest otherwise",
    "aws_s3_bucket_object_lock_configuration": "rules nest otherwise",
    "aws_s3_bucket_server_side_encryption_configuration": "rules nest otherwise",
    "aws_vpc_security_group_egress_rule": "a permission in a list",
    "aws_vpc_security_group_ingress_rule": "a permission in a list",
}

# Attributes that the model calls otherwise, by type and attribute.
RENAMED = {
    "aws_budgets_budget": {"name": "BudgetName"},
    "aws_ce_anomaly_monitor": {"name": "MonitorName"},
    "aws_ce_anomaly_subscription": {
        "name": "SubscriptionName",
        "subscriber": "Subscribers",
        "subscriber.type": "Type",
    },
    "aws_cloudwatch_log_group": {"name": "logGroupName"},
    "aws_ecr_lifecycle_policy": {
        "policy": "lifecyclePolicyText",
        "repository": "repositoryName",
    },
    "aws_ecr_repository": {
        "name": "repositoryName",
        "encryption_configuration": "encryptionConfiguration",
        "image_scanning_configuration": "imageScanningConfiguration",
    },
    "aws_eks_addon": {
        "pod_identity_association": "podIdentityAssociations",
        "resolve_conflicts_on_create": "resolveConflicts",
        "resolve_conflicts_on_update": "resolveConflicts",
    },
    "aws_eks_cluster": {"vpc_config": "resourcesVpcConfig"},
    "aws_eks_node_group": {"node_role_arn": "nodeRole", "subnet_ids": "subnets"},
    "aws_iam_role": {
        "name": "RoleName",
        "assume_role_policy": "AssumeRolePolicyDocument",
    },
    "aws_iam_role_policy": {
        "name": "PolicyName",
        "policy": "PolicyDocument",
        "role": "RoleName",
    },
    "aws_iam_role_policy_attachment": {"role": "RoleName"},
    "aws_kms_alias": {"name": "AliasName"},
    "aws_lb": {"load_balancer_type": "Type"},
    "aws_lb_listener": {"default_action": "DefaultActions"},
    "aws_route53_query_log": {
        "zone_id": "HostedZoneId",
        "cloudwatch_log_group_arn": "CloudWatchLogsLogGroupArn",
    },
    "aws_security_group": {"name": "GroupName"},
}

# Attributes that are no parameter of the call, and what becomes of them.
ELSEWHERE = {
    "aws_autoscaling_attachment": {"lb_target_group_arn": "a traffic source"},
    "aws_budgets_budget": {
        "cost_filter": "a map there",
        "limit_amount": "in a structure there",
        "limit_unit": "in a structure there",
        "notification": "a call of its own",
    },
    "aws_ce_anomaly_monitor": {"monitor_specification": "JSON here"},
    "aws_ce_anomaly_subscription": {"threshold_expression": "nests otherwise"},
    "aws_cloudwatch_log_group": {"retention_in_days": "PutRetentionPolicy"},
    "aws_ecr_repository": {"force_delete": "the provider's own"},
    "aws_eks_cluster": {
        "enabled_cluster_log_types": "nests otherwise",
        "encryption_config": "nests otherwise",
    },
    "aws_flow_log": {"vpc_id": "one of ResourceIds"},
    "aws_kms_key": {
        "deletion_window_in_days": "ScheduleKeyDeletion",
        "enable_key_rotation": "EnableKeyRotation",
    },
    "aws_launch_template": {
        "description": "the version's",
        "update_default_version": "ModifyLaunchTemplate",
        "block_device_mappings.ebs.encrypted": "text here",
        "block_device_mappings.ebs.delete_on_termination": "text here",
    },
    "aws_lb": {
        "enable_cross_zone_load_balancing": "an attribute of the balancer",
        "enable_deletion_protection": "an attribute of the balancer",
        "internal": "the scheme",
    },
    "aws_lb_target_group": {
        "deregistration_delay": "an attribute of the group",
        "health_check": "parameters of their own",
        "preserve_client_ip": "an attribute of the group",
        "target_health_state": "an attribute of the group",
    },
    "aws_route53_zone": {"comment": "in a structure there"},
    "aws_s3_bucket": {"object_lock_enabled": "ObjectLockEnabledForBucket"},
    "aws_s3_bucket_ownership_controls": {"rule": "nests otherwise"},
    "aws_s3_bucket_public_access_block": {"bucket": "beside the structure"},
    "aws_subnet": {"map_public_ip_on_launch": "ModifySubnetAttribute"},
    "aws_vpc": {
        "enable_dns_hostnames": "ModifyVpcAttribute",
        "enable_dns_support": "ModifyVpcAttribute",
    },
}

# Names and IDs that AWS or autonaming makes up: the recording has none.
LATER = {
    "aws_iam_role_policy_attachment": {"role"},
    "aws_kms_alias": {"target_key_id"},
}

# Tags are judged by the simulation; every service takes them alike.
EVERYWHERE = {"tags", "force_destroy", "region"}


# Patterns that Python cannot read.
BEYOND: set[str] = set()


def bare(name: str) -> str:
    """Leave out what spelling adds."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


class Judge:
    """Walks one resource beside the shape of its call."""

    def __init__(self, kind: str):
        """Remember the kind; its own tables say what is called otherwise."""
        self.kind = kind
        self.renamed = RENAMED.get(kind, {})
        self.elsewhere = ELSEWHERE.get(kind, {})
        self.findings: list[str] = []
        self.judged = 0

    def fault(self, path: str, said: str) -> None:
        """Note a finding."""
        self.findings.append(f"{path}: {said}")

    def structure(self, path: str, fields: dict, shape) -> None:
        """Judge the attributes of one structure."""
        members = {bare(name): name for name in shape.members}
        for name, value in fields.items():
            at = f"{path}.{name}" if path else name
            if name in EVERYWHERE or at in self.elsewhere or value is None:
                continue
            if value == "" and at in LATER.get(self.kind, ()):
                continue
            wanted = self.renamed.get(at)
            member = wanted if wanted in shape.members else members.get(bare(name))
            for plural in ("s", "es"):
                member = member or members.get(bare(name) + plural)
            if member is None:
                self.fault(at, f"is no parameter of {shape.name}")
                continue
            self.value(at, value, shape.members[member])

    def value(self, path: str, value, shape) -> None:
        """Judge one value against its shape."""
        kind = shape.type_name
        if isinstance(value, str) and value.startswith("${"):
            return  # a reference, known later
        if kind == "structure":
            if isinstance(value, list) and len(value) == 1:
                value = value[0]
            if not isinstance(value, dict):
                self.fault(path, f"is {type(value).__name__}, not a structure")
                return
            self.structure(path, value, shape)
        elif kind == "list":
            items = value if isinstance(value, list) else [value]
            self.size(path, len(items), shape, "elements")
            for item in items:
                self.value(path, item, shape.member)
        elif kind == "map":
            for key, item in dict(value).items():
                self.value(f"{path}.{key}", item, shape.value)
        else:
            self.leaf(path, value, shape)

    def size(self, path: str, size: float, shape, unit: str) -> None:
        """Judge a length or a number."""
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if (low is not None and size < low) or (high is not None and size > high):
            self.fault(path, f"is {size:g} {unit}, must be {low} to {high}")

    def leaf(self, path: str, value, shape) -> None:
        """Judge a scalar."""
        self.judged += 1
        kind = shape.type_name
        if kind == "boolean":
            if not isinstance(value, bool):
                self.fault(path, f"is {value!r}, not a boolean")
        elif kind in ("integer", "long", "float", "double"):
            if isinstance(value, bool) or not isinstance(value, int | float):
                self.fault(path, f"is {value!r}, not a number")
                return
            self.size(path, value, shape, "in value")
        elif kind == "string":
            if not isinstance(value, str):
                self.fault(path, f"is {value!r}, not text")
                return
            if shape.enum and value not in shape.enum:
                self.fault(path, f"is {value!r}, none of {', '.join(shape.enum)}")
            self.size(path, len(value), shape, "characters long")
            pattern = shape.metadata.get("pattern")
            if pattern and not matches(pattern, value):
                self.fault(path, f"is {value!r}, must match {pattern}")


def matches(pattern: str, value: str) -> bool:
    """Match as AWS does: its patterns are Java's, anchored as a whole."""
    translated = (
        pattern.replace(r"\p{L}", r"[^\W\d_]")
        .replace(r"\p{M}", "")
        .replace(r"\p{Z}", r"\s")
        .replace(r"\p{S}", r"[$+<=>^`|~]")
        .replace(r"\p{N}", r"\d")
        .replace(r"\p{P}", r"[!-/:-@\[-`{-~]")
        .replace(r"\p{ASCII}", r"\x00-\x7f")
    )
    # A class within a class is what Java has and Python has not.
    translated = re.sub(r"\[((?:[^\[\]\\]|\\.)*)\[([^\]]*)\]", r"[\1\2", translated)
    try:
        return re.fullmatch(translated, value, re.DOTALL) is not None
    except re.error:
        BEYOND.add(pattern)
        return True


def shape_of(loader: Loader, service: str, call: str):
    """Find the shape of a call's input, or of a structure in it."""
    operation, _, inner = call.partition(".")
    model = ServiceModel(loader.load_service_model(service, "service-2"), service)
    shape = model.operation_model(operation).input_shape
    return shape.members[inner] if inner else shape


def main() -> int:
    """Judge and report; 0 means nothing is left unanswered."""
    files = sorted(Path(sys.argv[1]).glob("*/main.tf.json"))
    if not files:
        print(f"no stacks in {sys.argv[1]}: run TestTerraform with -judged first")
        return 1
    loader, left, judged = Loader(), 0, 0
    for file in files:
        for kind, made in json.loads(file.read_text())["resource"].items():
            if kind in UNLIKE:
                continue
            if kind not in CALLS:
                left += 1
                print(f"{file.parent.name} {kind}: nobody says which call makes it")
                continue
            shape = shape_of(loader, *CALLS[kind])
            for name, fields in made.items():
                judge = Judge(kind)
                judge.structure("", fields, shape)
                judged += judge.judged
                left += len(judge.findings)
                for finding in judge.findings:
                    print(f"{file.parent.name} {kind}.{name}: {finding}")
    for pattern in sorted(BEYOND):
        print(f"not judged, as Python cannot read it: {pattern}")
    print(f"{judged} values, {left} findings unanswered")
    return 1 if left or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
