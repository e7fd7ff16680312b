"""Hold the manifests of every environment against kubeconform, kube-score and checkov.

Usage: kube-judges.py OPTIONS DIRECTORY, which TestManifests wrote with -judged.
Each finding that is meant has an answer in the file given with --answers; an
answer that nothing needs is an error as well.
"""

import argparse
import fnmatch
import json
import subprocess
import sys
from pathlib import Path

import yaml

# The snapshot controller's class is no part of Kubernetes, and no module that is
# pinned here has its definition. kubeconform cannot read the schema of schemas;
# definitions are upstream's files, unchanged but for their descriptions.
WITHOUT_SCHEMA = "VolumeSnapshotClass,CustomResourceDefinition"


def strict(schema, definitions, used):
    """Copy a schema: nothing it does not name is allowed, references are local."""
    if isinstance(schema, list):
        return [strict(one, definitions, used) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        name = schema["$ref"].rsplit("/", 1)[1]
        if name not in used:
            used[name] = None  # types may hold themselves
            used[name] = strict(definitions[name], definitions, used)
        return {"$ref": f"#/definitions/{name}"}
    if (
        schema.get("x-kubernetes-int-or-string")
        or schema.get("format") == "int-or-string"
    ):
        return {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    copied = {key: strict(value, definitions, used) for key, value in schema.items()}
    if (
        isinstance(copied.get("properties"), dict)
        and copied.get("type", "object") == "object"
        and not copied.get("x-kubernetes-preserve-unknown-fields")
    ):
        copied.setdefault("additionalProperties", False)
    return copied


def write_schemas(into: Path, swagger: Path, definitions: list[Path]) -> None:
    """Write one schema for each kind, as Kubernetes and the definitions have it."""
    into.mkdir(parents=True)
    types = json.loads(swagger.read_text())["definitions"]
    # A quantity may be written as a number, and the API server takes it.
    types["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {
        "anyOf": [{"type": "string"}, {"type": "number"}]
    }
    types["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {
        "anyOf": [{"type": "string"}, {"type": "integer"}]
    }
    for schema in types.values():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            used = {}
            top = strict(schema, types, used)
            top["definitions"] = used
            write_schema(into, kind["group"], kind["version"], kind["kind"], top)
    for path in definitions:
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            for definition in yaml.safe_load_all(file.read_text()):
                if not definition:
                    continue
                spec = definition["spec"]
                for version in spec["versions"]:
                    schema = strict(version["schema"]["openAPIV3Schema"], {}, {})
                    # What every object has, and a definition does not repeat.
                    schema["properties"]["metadata"] = {"type": "object"}
                    write_schema(
                        into,
                        spec["group"],
                        version["name"],
                        spec["names"]["kind"],
                        schema,
                    )


def write_schema(into: Path, group: str, version: str, kind: str, schema: dict) -> None:
    """Write a schema under the name by which kubeconform asks for it."""
    # It takes the version for the group of what has none.
    name = f"{group or version}-{version}-{kind.lower()}.json"
    (into / name).write_text(json.dumps(schema))


def run(command: list[str]) -> str:
    """Run a judge, which says by its exit code only that it found something."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():
        sys.exit(f"{command[0]} said nothing: {done.stderr}")
    return done.stdout


def kubeconform(judges: Path, schemas: Path, manifests: Path):
    """Yield what is wrong with the shape of objects."""
    location = "{{ .Group }}-{{ .ResourceAPIVersion }}-{{ .ResourceKind }}.json"
    said = json.loads(
        run(
            [
                f"{judges}/kubeconform", "-output", "json", "-verbose",
                "-schema-location", f"{schemas}/{location}", "-skip", WITHOUT_SCHEMA, str(manifests),
            ]
        )
    )  # fmt: skip
    judged = 0
    for one in said["resources"]:
        judged += one["status"] == "statusValid"
        if one["status"] not in ("statusValid", "statusSkipped"):
            yield "shape", f"{one['kind']}/{one['name']}", one["msg"]
    if judged < 80:
        yield "shape", "-", f"only {judged} objects were judged"


def kube_score(judges: Path, manifests: Path):
    """Yield what kube-score grades below good."""
    said = json.loads(
        run(
            [
                f"{judges}/kube-score", "score", "--output-format", "json", "--output-version", "v2",
                "--enable-optional-test", "container-seccomp-profile",
                "--kubernetes-version", "v1.34", str(manifests),
            ]
        )
    )  # fmt: skip
    for one in said:
        meta = one["object_meta"]
        resource = "/".join(
            part
            for part in (one["type_meta"]["kind"], meta.get("namespace"), meta["name"])
            if part
        )
        for check in one["checks"]:
            if check["skipped"] or check["grade"] >= 10:
                continue
            for comment in check["comments"] or [{"summary": ""}]:
                yield (
                    check["check"]["id"],
                    resource,
                    f"{comment.get('path', '')} {comment['summary']}".strip(),
                )


def checkov(program: Path, manifests: Path):
    """Yield what checkov finds in manifests."""
    said = json.loads(
        run(
            [
                str(program), "--framework", "kubernetes", "--file", str(manifests),
                "--output", "json", "--quiet", "--compact",
            ]
        )
    )  # fmt: skip
    for report in said if isinstance(said, list) else [said]:
        for failed in report.get("results", {}).get("failed_checks", []):
            kind, namespace, name = [*failed["resource"].split(".", 2), "", ""][:3]
            yield failed["check_id"], f"{kind}/{namespace}/{name}", failed["check_name"]


# A Deployment in which each judge has to find what is named for it below.
CONTROL = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: control, namespace: control}
spec:
  colour: blue
  selector: {matchLabels: {app: control}}
  template:
    metadata: {labels: {app: control}}
    spec:
      containers:
        - {name: control, image: control:1, securityContext: {privileged: true}}
"""
CONTROLS = {
    "kubeconform": "shape",
    "kube-score": "container-security-context-privileged",
    "checkov": "CKV_K8S_16",
}


def blind(judges: dict, manifests: Path) -> int:
    """Count the judges that do not find what is wrong with the control."""
    manifests.write_text(CONTROL)
    left = 0
    for judge, judged in judges.items():
        wanted = CONTROLS[judge]
        found = {
            check for check, resource, _ in judged(manifests) if "control" in resource
        }
        if wanted not in found:
            left += 1
            print(f"{judge} does not find {wanted} in the control, only {found}")
    return left


def main() -> int:
    """Judge and report; 0 means nothing is left unanswered."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--checkov", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--swagger", type=Path, required=True)
    parser.add_argument("--definitions", type=Path, action="append", default=[])
    parser.add_argument("written", type=Path)
    args = parser.parse_args()
    schemas = args.written / "schemas"
    write_schemas(schemas, args.swagger, args.definitions)
    answers = yaml.safe_load(args.answers.read_text())
    needed = set()
    judges = {
        "kubeconform": lambda of: kubeconform(args.judges, schemas, of),
        "kube-score": lambda of: kube_score(args.judges, of),
        "checkov": lambda of: checkov(args.checkov, of),
    }
    left = blind(judges, args.written / "control.yaml")
    for manifests in sorted(args.written.glob("*/manifests.yaml")):
        stack = manifests.parent.name
        for judge, judged in judges.items():
            found = 0
            for check, resource, message in judged(manifests):
                found += 1
                for i, answer in enumerate(answers[judge]):
                    if answer["check"] == check and any(
                        fnmatch.fnmatch(resource, pattern)
                        for pattern in answer.get("resources", ["*"])
                    ):
                        needed.add((judge, i))
                        break
                else:
                    left += 1
                    print(f"{stack}: {judge}: {check}: {resource}: {message}")
            print(f"{stack}: {judge}: {found} findings")
    for judge, list_of_answers in answers.items():
        for i, answer in enumerate(list_of_answers):
            if (judge, i) not in needed:
                left += 1
                print(
                    f"nothing needs the answer to {judge} {answer['check']}: {answer['why']}"
                )
    print(f"{left} findings or answers left over")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
