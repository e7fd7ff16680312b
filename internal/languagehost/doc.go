// Package languagehost lets the Pulumi engine run Go programs and Go policy
// packs where the official release, which brings pulumi-language-go, is not
// installed. It answers the engine's LanguageRuntime calls.
//
// A program is compiled into the cache and compiled again only when something
// it was made of changed, which is decided by content (see Builder), so that an
// unchanged program starts at once. `runtime.options.binary` and
// `runtime.options.buildTarget` of Pulumi.yaml mean what they mean to the
// official host. Whatever the host started ends with it, children included.
//
// It does not generate code, attach debuggers or pack SDKs; those calls say so
// and point to the official release.
package languagehost
