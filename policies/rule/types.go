package rule

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Type tokens of Kubernetes objects that rules ask about.
const (
	Deployment              = "kubernetes:apps/v1:Deployment"
	StatefulSet             = "kubernetes:apps/v1:StatefulSet"
	DaemonSet               = "kubernetes:apps/v1:DaemonSet"
	ReplicaSet              = "kubernetes:apps/v1:ReplicaSet"
	Job                     = "kubernetes:batch/v1:Job"
	CronJob                 = "kubernetes:batch/v1:CronJob"
	PodType                 = "kubernetes:core/v1:Pod"
	Service                 = "kubernetes:core/v1:Service"
	ServiceAccount          = "kubernetes:core/v1:ServiceAccount"
	Namespace               = "kubernetes:core/v1:Namespace"
	ResourceQuota           = "kubernetes:core/v1:ResourceQuota"
	LimitRange              = "kubernetes:core/v1:LimitRange"
	ConfigMap               = "kubernetes:core/v1:ConfigMap"
	SecretType              = "kubernetes:core/v1:Secret" //nolint:gosec // a kind of object
	PersistentVolumeClaim   = "kubernetes:core/v1:PersistentVolumeClaim"
	StorageClass            = "kubernetes:storage.k8s.io/v1:StorageClass"
	HorizontalPodAutoscaler = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
	PodDisruptionBudget     = "kubernetes:policy/v1:PodDisruptionBudget"
	NetworkPolicy           = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
	Ingress                 = "kubernetes:networking.k8s.io/v1:Ingress"
	Role                    = "kubernetes:rbac.authorization.k8s.io/v1:Role"
	ClusterRole             = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
	RoleBinding             = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
	ClusterRoleBinding      = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding"
)

// shapes make an empty value for each type whose properties have a Go type.
var shapes = map[string]func() any{
	Deployment:              func() any { return new(appsv1.Deployment) },
	StatefulSet:             func() any { return new(appsv1.StatefulSet) },
	DaemonSet:               func() any { return new(appsv1.DaemonSet) },
	ReplicaSet:              func() any { return new(appsv1.ReplicaSet) },
	Job:                     func() any { return new(batchv1.Job) },
	CronJob:                 func() any { return new(batchv1.CronJob) },
	PodType:                 func() any { return new(corev1.Pod) },
	Service:                 func() any { return new(corev1.Service) },
	ServiceAccount:          func() any { return new(corev1.ServiceAccount) },
	Namespace:               func() any { return new(corev1.Namespace) },
	ResourceQuota:           func() any { return new(corev1.ResourceQuota) },
	LimitRange:              func() any { return new(corev1.LimitRange) },
	ConfigMap:               func() any { return new(corev1.ConfigMap) },
	PersistentVolumeClaim:   func() any { return new(corev1.PersistentVolumeClaim) },
	StorageClass:            func() any { return new(storagev1.StorageClass) },
	HorizontalPodAutoscaler: func() any { return new(autoscalingv2.HorizontalPodAutoscaler) },
	PodDisruptionBudget:     func() any { return new(policyv1.PodDisruptionBudget) },
	NetworkPolicy:           func() any { return new(networkingv1.NetworkPolicy) },
	Ingress:                 func() any { return new(networkingv1.Ingress) },
	Role:                    func() any { return new(rbacv1.Role) },
	ClusterRole:             func() any { return new(rbacv1.ClusterRole) },
	RoleBinding:             func() any { return new(rbacv1.RoleBinding) },
	ClusterRoleBinding:      func() any { return new(rbacv1.ClusterRoleBinding) },
}

// Shape registers the Go type of a resource's properties for types that
// Kubernetes itself does not define. It is for init time.
func Shape[T any](token string) string {
	if _, taken := shapes[token]; taken {
		panic("the shape of " + token + " is registered twice")
	}
	shapes[token] = func() any { return new(T) }
	return token
}

// Shaped are the types whose properties have a Go type.
func Shaped() []string {
	tokens := make([]string, 0, len(shapes))
	for token := range shapes {
		tokens = append(tokens, token)
	}
	return tokens
}

// decode fills the resource's Go value, once.
func (r *Resource) decode() error {
	if r.decoded != nil || r.failure != nil {
		return r.failure
	}
	shape, ok := shapes[r.Type]
	if !ok {
		r.failure = fmt.Errorf("no Go type is known for %s", r.Type)
		return r.failure
	}
	value := shape()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(r.properties, value); err != nil {
		// The converter is fast and does not say where; JSON is slow and does.
		value = shape()
		raw, marshalled := json.Marshal(r.properties)
		if marshalled != nil {
			r.failure = marshalled
			return r.failure
		}
		if r.failure = json.Unmarshal(raw, value); r.failure != nil {
			return r.failure
		}
	}
	r.decoded = value
	return nil
}

// As is the resource's properties as the Go type of its token, or nil when it
// has another type or does not fit.
func As[T any](r *Resource) *T {
	if r == nil || r.decode() != nil {
		return nil
	}
	value, _ := r.decoded.(*T)
	return value
}

// Object is the resource's properties as a pointer to the Go type of its token.
func (r *Resource) Object() (any, error) {
	if err := r.decode(); err != nil {
		return nil, err
	}
	return r.decoded, nil
}
