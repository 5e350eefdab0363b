// Checks manifests as an API server does: decodes each document strictly (an unknown or doubled field
// is an error), applies the defaults, validates. usage: manifests FILE…
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/apps"
	appsvalidation "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	autoscalingvalidation "k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	corevalidation "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/node"
	nodevalidation "k8s.io/kubernetes/pkg/apis/node/validation"
	"k8s.io/kubernetes/pkg/apis/rbac"
	rbacvalidation "k8s.io/kubernetes/pkg/apis/rbac/validation"
	"k8s.io/kubernetes/pkg/capabilities"

	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/node/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
)

func validate(object runtime.Object) field.ErrorList {
	pods := corevalidation.PodValidationOptions{}
	switch object := object.(type) {
	case *core.ConfigMap:
		return corevalidation.ValidateConfigMap(object)
	case *core.Namespace:
		return corevalidation.ValidateNamespace(object)
	case *core.Pod:
		return corevalidation.ValidatePodCreate(object, pods)
	case *core.Service:
		return corevalidation.ValidateServiceCreate(object)
	case *core.ServiceAccount:
		return corevalidation.ValidateServiceAccount(object)
	case *apps.DaemonSet:
		return appsvalidation.ValidateDaemonSet(object, pods)
	case *apps.Deployment:
		return appsvalidation.ValidateDeployment(object, pods)
	case *autoscaling.HorizontalPodAutoscaler:
		options := autoscalingvalidation.HorizontalPodAutoscalerSpecValidationOptions{}
		return autoscalingvalidation.ValidateHorizontalPodAutoscaler(object, options)
	case *node.RuntimeClass:
		return nodevalidation.ValidateRuntimeClass(object)
	case *rbac.ClusterRole:
		return rbacvalidation.ValidateClusterRole(object, rbacvalidation.ClusterRoleValidationOptions{})
	case *rbac.ClusterRoleBinding:
		return rbacvalidation.ValidateClusterRoleBinding(object)
	}
	return field.ErrorList{field.Invalid(nil, fmt.Sprintf("%T", object), "a kind that is not checked")}
}

// The kinds that belong to no namespace.
var global = map[string]bool{
	"ClusterRole": true, "ClusterRoleBinding": true, "Namespace": true, "RuntimeClass": true,
}

func check(decoder runtime.Decoder, document []byte) error {
	object, kind, err := decoder.Decode(document, nil, nil)
	if err != nil {
		return err
	}
	metadata, err := meta.Accessor(object)
	if err != nil {
		return err
	}
	if !global[kind.Kind] && metadata.GetNamespace() == "" {
		metadata.SetNamespace("default")
	}
	return validate(object).ToAggregate()
}

func checkFile(decoder runtime.Decoder, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	documents := yaml.NewYAMLReader(bufio.NewReader(file))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := check(decoder, document); err != nil {
			return err
		}
	}
}

func main() {
	const allowPrivileged = true
	capabilities.Setup(allowPrivileged, 0)
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	decoder := codecs.UniversalDecoder()
	failed := false
	for _, path := range os.Args[1:] {
		if err := checkFile(decoder, path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}
