package cost

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/budgets"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/costexplorer"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:cost:Cost"

// Args describes what may be spent and who is told.
type Args struct {
	// Name is what budget and monitor are called. Required.
	Name string
	// MonthlyUSD is what a month may cost, in dollars. Required.
	MonthlyUSD int
	// AnomalyUSD is how far a day has to be out of line before somebody is told,
	// in dollars. Required.
	AnomalyUSD int
	// TagKey and TagValue say which resources count. Required.
	TagKey, TagValue string
	// Mail lists who is told, one to ten. Required.
	Mail []string
}

// Cost watches what an environment costs.
type Cost struct{ pulumi.ResourceState }

var mail = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)

// Check reports every fault of the arguments, each with its path.
func (args Args) Check() error {
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
	}
	for _, required := range []struct{ path, value string }{{"name", args.Name}, {"tagKey", args.TagKey}, {"tagValue", args.TagValue}} {
		if required.value == "" {
			fault(required.path, "is empty")
		}
	}
	if args.MonthlyUSD < 1 {
		fault("monthlyUSD", "is %d, must be at least 1", args.MonthlyUSD)
	}
	if args.AnomalyUSD < 1 {
		fault("anomalyUSD", "is %d, must be at least 1", args.AnomalyUSD)
	}
	if len(args.Mail) < 1 || len(args.Mail) > 10 {
		fault("mail", "has %d addresses, must have 1 to 10", len(args.Mail))
	}
	for i, address := range args.Mail {
		if !mail.MatchString(address) {
			fault(fmt.Sprintf("mail[%d]", i), "%q is not an address for mail", address)
		}
	}
	return errors.Join(faults...)
}

// New declares a budget and an anomaly monitor.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Cost, error) {
	if err := args.Check(); err != nil {
		return nil, fmt.Errorf("cost %q: %w", name, err)
	}
	args.Mail = slices.Clone(args.Mail)
	cost := &Cost{}
	if err := ctx.RegisterComponentResource(TypeToken, name, cost, opts...); err != nil {
		return nil, fmt.Errorf("registering cost %q: %w", name, err)
	}
	if err := cost.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("building cost %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(cost, pulumi.Map{}); err != nil {
		return nil, fmt.Errorf("publishing cost %q: %w", name, err)
	}
	return cost, nil
}

func (c *Cost) build(ctx *pulumi.Context, name string, args Args) error {
	notify := func(kind string, percent int) budgets.BudgetNotificationArgs {
		return budgets.BudgetNotificationArgs{
			NotificationType: pulumi.String(kind), ComparisonOperator: pulumi.String("GREATER_THAN"),
			Threshold: pulumi.Float64(percent), ThresholdType: pulumi.String("PERCENTAGE"),
			SubscriberEmailAddresses: pulumi.ToStringArray(args.Mail),
		}
	}
	if _, err := budgets.NewBudget(ctx, name+"-budget", &budgets.BudgetArgs{
		Name: pulumi.String(args.Name), BudgetType: pulumi.String("COST"), TimeUnit: pulumi.String("MONTHLY"),
		LimitAmount: pulumi.String(strconv.Itoa(args.MonthlyUSD)), LimitUnit: pulumi.String("USD"),
		CostFilters: budgets.BudgetCostFilterArray{budgets.BudgetCostFilterArgs{
			Name:   pulumi.String("TagKeyValue"),
			Values: pulumi.ToStringArray([]string{"user:" + args.TagKey + "$" + args.TagValue}),
		}},
		Notifications: budgets.BudgetNotificationArray{notify("ACTUAL", 80), notify("ACTUAL", 100), notify("FORECASTED", 100)},
	}, component.Under(c)...); err != nil {
		return fmt.Errorf("creating the budget: %w", err)
	}
	watched, err := json.Marshal(map[string]any{"Tags": map[string]any{
		"Key": args.TagKey, "Values": []string{args.TagValue}, "MatchOptions": []string{"EQUALS"},
	}})
	if err != nil {
		return fmt.Errorf("saying what to watch: %w", err)
	}
	monitor, err := costexplorer.NewAnomalyMonitor(ctx, name+"-monitor", &costexplorer.AnomalyMonitorArgs{
		Name: pulumi.String(args.Name), MonitorType: pulumi.String("CUSTOM"), MonitorSpecification: pulumi.String(watched),
	}, component.Under(c)...)
	if err != nil {
		return fmt.Errorf("creating the monitor: %w", err)
	}
	var told costexplorer.AnomalySubscriptionSubscriberArray
	for _, address := range args.Mail {
		told = append(told, costexplorer.AnomalySubscriptionSubscriberArgs{
			Type: pulumi.String("EMAIL"), Address: pulumi.String(address),
		})
	}
	if _, err := costexplorer.NewAnomalySubscription(ctx, name+"-subscription", &costexplorer.AnomalySubscriptionArgs{
		Name: pulumi.String(args.Name), Frequency: pulumi.String("DAILY"),
		MonitorArnLists: pulumi.StringArray{monitor.Arn}, Subscribers: told,
		ThresholdExpression: costexplorer.AnomalySubscriptionThresholdExpressionArgs{
			Dimension: costexplorer.AnomalySubscriptionThresholdExpressionDimensionArgs{
				Key: pulumi.String("ANOMALY_TOTAL_IMPACT_ABSOLUTE"), MatchOptions: pulumi.ToStringArray([]string{"GREATER_THAN_OR_EQUAL"}),
				Values: pulumi.ToStringArray([]string{strconv.Itoa(args.AnomalyUSD)}),
			},
		},
	}, component.Under(c)...); err != nil {
		return fmt.Errorf("subscribing to anomalies: %w", err)
	}
	return nil
}
