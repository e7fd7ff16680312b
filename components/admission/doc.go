// Package admission has the API server refuse what breaks a rule, whoever asks
// for it. A program's own preview is held to the rules before it changes
// anything; somebody with kubectl is not, and this is for them.
//
// It declares ValidatingAdmissionPolicies and their bindings, which the API
// server evaluates itself: no webhook that could be away, no pod to run. They
// are read from a file that the policies are written to, because what a rule
// says belongs to the rule and not here.
//
// The policies are the first thing a stack declares in its cluster and depend on
// nothing there. What a commit excuses is then excused before the object that
// needs it is sent, as far as the API server has heard: it takes up a changed
// policy within about a second. What a commit forbids is forbidden before the
// objects that broke it are updated; those are left alone until their spec
// changes, so a running system does not notice.
//
// The API server asks no policy about policies, so whoever may delete one can
// still do so; `slipway drift` shows it.
package admission
