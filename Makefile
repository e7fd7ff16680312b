# Every target is one line of the README; what it does lives in cmd/slipway.
STACK ?= local
# Destroying takes the stack's name a second time: make destroy CONFIRM=local
CONFIRM ?=
# Where a rollback goes: a number from `make history` or a commit; left out, the
# last good update. YES=1 does not ask.
TO ?=
YES ?=
# Where `make image-push` pushes to: a registry's host and the path in it.
REGISTRY ?=
SLIPWAY := .slipway/bin/slipway
# What a preview or a test leaves behind for people to read.
RESULTS := .slipway/results

.DEFAULT_GOAL := help
.PHONY: help bootstrap tools doctor up deploy smoke preview preview-comment preview-offline history rollback drift down destroy check vulnerabilities test app-test image image-sbom image-scan image-push engine-test logs-test e2e lab-test dash-test dash bench bench-in-cluster bench-from-nothing judges rehearse soak update

help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap:
	@scripts/bootstrap

tools: bootstrap ## Build the pinned tools that are not installed, and print how to use them
	@$(SLIPWAY) tools
	@$(SLIPWAY) env --stack $(STACK)

doctor: bootstrap ## Say what was found on this machine, what is missing, and the fix
	@$(SLIPWAY) doctor

up: bootstrap ## From whatever is there to the platform answering HTTPS (STACK=local)
	@$(SLIPWAY) up --stack $(STACK)

smoke: bootstrap ## Write a row and read it back over verified HTTPS
	@$(SLIPWAY) smoke --stack $(STACK)

preview: bootstrap ## What an update of the stack would change; without a backend, a simulated first preview
	@$(SLIPWAY) preview --stack $(STACK)

preview-comment: bootstrap ## The preview of STACK (or several, a,b) as a pull request's comment
	@mkdir -p $(RESULTS)
	@$(SLIPWAY) preview --markdown --stack $(STACK) --out $(RESULTS)/preview >$(RESULTS)/preview.md; \
		status=$$?; cat $(RESULTS)/preview.md; exit $$status

preview-offline: bootstrap ## The same comment, since the last release, without account or state
	@mkdir -p $(RESULTS)
	@$(SLIPWAY) preview-offline --stack $(STACK) --out $(RESULTS)/preview >$(RESULTS)/preview.md; \
		status=$$?; cat $(RESULTS)/preview.md; exit $$status

# PLAN, which has no default here: left out means none, which prod does not take.
# An empty one is what a preview that failed leaves, and is refused.
deploy: bootstrap ## Update a stack whose cluster is ready (PLAN=hash holds it to a preview)
	@$(SLIPWAY) update --stack $(STACK) --wait 15m $(if $(filter-out undefined,$(origin PLAN)),--expect-plan "$(PLAN)")

history: bootstrap ## What was done to a stack, newest first
	@$(SLIPWAY) history --stack $(STACK)

rollback: bootstrap ## Back to TO=<number or commit>, or to the last good update
	@$(SLIPWAY) rollback --stack $(STACK) $(if $(TO),--to "$(TO)",--last-good) $(if $(YES),--yes)

drift: bootstrap ## Compare what exists with what the stack declared
	@$(SLIPWAY) drift --stack $(STACK)

down: bootstrap ## Stop the lab; its data stays for the next `make up`
	@$(SLIPWAY) down --stack $(STACK)

destroy: bootstrap ## Delete the stack's resources, and with the local stack the lab's data
	@$(SLIPWAY) destroy --stack $(STACK) --confirm "$(CONFIRM)"

check: bootstrap ## Formatting, linters, types, known vulnerabilities, unit and graph tests; no lab
	@$(SLIPWAY) check

vulnerabilities: bootstrap ## Fail when a Go module compiled here has a known vulnerability, as of now
	@$(SLIPWAY) vulnerabilities

app-test: bootstrap ## The service's tests against a real PostgreSQL, and the database member's
	@scripts/app-test

image: bootstrap ## The service's image of this checkout
	@scripts/release build

image-sbom: ## What is in that image, as CycloneDX
	@scripts/release sbom

image-scan: ## Fail when a Python package of the service or the database has a known vulnerability
	@scripts/release scan

image-push: bootstrap ## Build and push to REGISTRY all images that clusters on AWS pull; no tag is ever moved
	@scripts/release push "$(REGISTRY)"

engine-test: bootstrap ## The program and plugins under the real Pulumi engine
	@$(SLIPWAY) test engine

logs-test: bootstrap ## The log collector on this machine: nothing personal stored, no line lost
	@$(SLIPWAY) test logs

e2e: bootstrap ## The platform on the lab, end to end, with faults
	@$(SLIPWAY) test e2e

lab-test: bootstrap ## The lab's own life, in directories of its own; stops a running lab first
	@$(SLIPWAY) lab down
	@$(SLIPWAY) test lab

dash: bootstrap ## Show a stack's figures on a web page of this machine
	@$(SLIPWAY) dash --stack $(STACK)

dash-test: bootstrap ## The page of `make dash`, in a real browser, from a real Prometheus
	@$(SLIPWAY) test dash

test: bootstrap ## What CI runs, three suites at once: linters, unit, service, engine, lab and end-to-end tests
	@$(SLIPWAY) test

judges: bootstrap ## Hold what the stacks declare to judges that are not ours, such as checkov
	@scripts/aws-judges
	@scripts/kube-judges

rehearse: bootstrap ## The whole life of STACK=dev or prod in a simulated AWS, on one page
	@$(SLIPWAY) rehearse --stack $(STACK)

soak: bootstrap judges ## The long versions of the proofs, and the rehearsals
	@$(SLIPWAY) rehearse --stack dev
	@$(SLIPWAY) rehearse --stack prod
	@$(SLIPWAY) test engine --soak --run "KilledAnywhere|KilledRollback|BadChangesToTheStacks|S3GoesAway|DevRecovers"
	@$(SLIPWAY) lab down
	@$(SLIPWAY) test lab --soak
	@$(SLIPWAY) test e2e --soak
	@$(SLIPWAY) test mutation --soak

bench: bootstrap ## Measure, and write docs/benchmarks.md
	@$(SLIPWAY) bench

bench-in-cluster: bootstrap ## Run the stack's own benchmark now, and compare it with the run before
	@$(SLIPWAY) bench --in-cluster --stack $(STACK)

bench-from-nothing: bootstrap ## Measure make up with every cache empty (half an hour, 20 GB)
	@$(SLIPWAY) bench --from-nothing

update: bootstrap ## Accept current output as golden and regenerate documents
	@$(SLIPWAY) check --update
