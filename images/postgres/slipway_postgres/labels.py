"""Taking the primary label from a member that cannot do it itself."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from . import render
from .settings import BadSetting, Settings

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Api:
    """The two calls that relabelling takes, as this pod's service account."""

    def __init__(self, server: str, account: Path = ACCOUNT):
        self.server = server
        self.account = account

    def call(self, method: str, path: str, body: Any = None) -> Any:
        token = (self.account / "token").read_text(encoding="utf-8").strip()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/merge-patch+json"
        request = urllib.request.Request(
            self.server + path, data=data, method=method, headers=headers
        )
        trust = None
        if self.server.startswith("https:"):
            trust = ssl.create_default_context(cafile=str(self.account / "ca.crt"))
        with urllib.request.urlopen(request, timeout=5, context=trust) as answer:
            return json.load(answer)


def server(env: dict[str, str]) -> str:
    host, port = env.get("KUBERNETES_SERVICE_HOST"), env.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise BadSetting("KUBERNETES_SERVICE_HOST and _PORT are not set: this is no pod")
    return "https://" + render.endpoint(host, int(port))


def strip_stale(settings: Settings, api: Api) -> list[str]:
    """Remove the leader label from every other member, if this one holds the
    lock. Returns the pods that were corrected.

    The primary service selects by that label, and Patroni lets each member set
    its own. A leader whose node was cut off cannot, so without this its pod
    would stay in the service next to the new leader until the node controller
    gives the node up, and every second connection would go nowhere.
    """
    kubernetes = render.read_yaml(settings.config / "patroni.yaml")
    scope, section = kubernetes["scope"], kubernetes["kubernetes"]
    role, leads = section.get("role_label", "role"), section.get("leader_label_value", "primary")
    base = f"/api/v1/namespaces/{settings.namespace}"
    lock = api.call("GET", f"{base}/configmaps/{scope}-leader")
    if lock["metadata"].get("annotations", {}).get("leader") != settings.name:
        return []
    wanted = dict(section["labels"])
    wanted[section.get("scope_label", "cluster-name")] = scope
    wanted[role] = leads
    selector = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
    pods = api.call("GET", f"{base}/pods?labelSelector={urllib.parse.quote(selector)}")
    corrected = []
    for pod in pods["items"]:
        name = pod["metadata"]["name"]
        if name == settings.name:
            continue
        change = {
            "metadata": {
                "labels": {role: None},
                # Whoever changed the pod since it was listed knows better.
                "resourceVersion": pod["metadata"]["resourceVersion"],
            }
        }
        try:
            api.call("PATCH", f"{base}/pods/{name}", change)
        except urllib.error.HTTPError as error:
            if error.code not in (404, 409):
                raise
            continue
        corrected.append(name)
    return corrected
