"""Hold an image against its bill of materials: the same Python packages, neither more nor fewer.

    release.py ARCHIVE SBOM

ARCHIVE is a tar of an OCI layout, SBOM a CycloneDX document. What of the image is no Python
package, the interpreter and the libraries that it loads, comes from Debian without its package
database and is in neither list.
"""

import gzip
import io
import json
import re
import sys
import tarfile
from pathlib import Path

METADATA = re.compile(r"opt/slipway/dependencies/([^/]+)-([^/-]+)\.dist-info/METADATA$")


def normal(name: str) -> str:
    """The form in which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(archive: str) -> set[tuple[str, str]]:
    """Names and versions of the packages in an image."""
    packages = set()
    with tarfile.open(archive) as layout:

        def read(digest: str) -> bytes:
            content = layout.extractfile("blobs/" + digest.replace(":", "/"))
            if content is None:
                raise ValueError(f"{archive}: {digest} is no file")
            return content.read()

        index = json.load(layout.extractfile("index.json"))  # type: ignore[arg-type]
        manifest = json.loads(read(index["manifests"][0]["digest"]))
        for layer in manifest["layers"]:
            content = read(layer["digest"])
            if content[:2] == b"\x1f\x8b":
                content = gzip.decompress(content)
            with tarfile.open(fileobj=io.BytesIO(content)) as files:
                for name in files.getnames():
                    if match := METADATA.search(name):
                        packages.add((normal(match[1]), match[2]))
    return packages


def listed(sbom: str) -> set[tuple[str, str]]:
    """Names and versions of the components of a bill of materials."""
    components = json.loads(Path(sbom).read_text("utf-8")).get("components", [])
    return {(normal(c["name"]), c["version"]) for c in components}


def main() -> None:
    archive, sbom = sys.argv[1:]
    have, said = installed(archive), listed(sbom)
    for name, version in sorted(have - said):
        print(
            f"{name} {version} is in the image and not in its bill of materials",
            file=sys.stderr,
        )
    for name, version in sorted(said - have):
        print(
            f"{name} {version} is in the bill of materials and not in the image",
            file=sys.stderr,
        )
    if have != said or not have:
        sys.exit(1)
    print(f"{sbom}: {len(have)} packages, as in the image")


if __name__ == "__main__":
    main()
