package cluster

// Args describes a cluster that exists already. All of it is plain: the
// program must know which cluster it talks to before it declares anything.
type Args struct {
	// Kubeconfig is the path of a kubeconfig file, or its content. A value with
	// a line break or an opening brace is content; "~/" is the home directory.
	// Required. Changing it to another kubeconfig of the same cluster updates
	// the provider and nothing else.
	Kubeconfig string
	// Context picks one of the kubeconfig's contexts. Default: its
	// current-context. An unknown context is an error that lists the known ones.
	Context string
	// Identifier says which cluster this is, for as long as the stack lives.
	// Default: the name of the context's cluster entry, which is often no more
	// than "kubernetes", so set it. Changing it replaces every object the stack
	// has in the cluster.
	Identifier string
}
