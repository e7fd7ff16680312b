package rule

// Stack is everything that is judged together.
type Stack struct {
	// Name is the stack's name, or "" for loose manifests.
	Name      string
	Resources []*Resource

	byType map[string][]*Resource
	byNS   map[string][]*Resource
}

// NewStack makes a stack of resources.
func NewStack(name string, resources ...*Resource) *Stack {
	s := &Stack{Name: name, Resources: resources, byType: map[string][]*Resource{}, byNS: map[string][]*Resource{}}
	for _, r := range resources {
		if r.Operation == Delete {
			continue // it will not be there
		}
		s.byType[r.Type] = append(s.byType[r.Type], r)
		if r.IsKubernetes() {
			key := r.Type + "\x00" + r.Namespace()
			s.byNS[key] = append(s.byNS[key], r)
		}
	}
	return s
}

// Of are the resources of the types that will exist after the update.
func (s *Stack) Of(types ...string) []*Resource {
	if len(types) == 1 {
		return s.byType[types[0]]
	}
	var found []*Resource
	for _, token := range types {
		found = append(found, s.byType[token]...)
	}
	return found
}

// In are the objects of the types in a namespace.
func (s *Stack) In(namespace string, types ...string) []*Resource {
	if len(types) == 1 {
		return s.byNS[types[0]+"\x00"+namespace]
	}
	var found []*Resource
	for _, token := range types {
		found = append(found, s.byNS[token+"\x00"+namespace]...)
	}
	return found
}

// Named is the object of a type with a name in a namespace, or nil.
func (s *Stack) Named(token, namespace, name string) *Resource {
	for _, r := range s.In(namespace, token) {
		if r.ObjectName() == name {
			return r
		}
	}
	return nil
}
