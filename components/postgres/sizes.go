package postgres

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const mebi = 1 << 20

// units of a Kubernetes quantity that make sense for memory and disks.
var units = map[string]float64{
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40,
	"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "": 1,
}

// parseSize reads a Kubernetes quantity of bytes.
func parseSize(text string) (int64, error) {
	number := strings.TrimRight(text, "KMGTik")
	unit, known := units[text[len(number):]]
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !known || value < 0 || value*unit > math.MaxInt64/2 || math.IsNaN(value) {
		return 0, fmt.Errorf("%q is no amount of bytes such as 512Mi or 10Gi", text)
	}
	return int64(value * unit), nil
}

// mebibytes writes a size as PostgreSQL reads it and Kubernetes almost does.
func mebibytes(bytes int64) string { return strconv.FormatInt(bytes/mebi, 10) + "MB" }

// within bounds a size.
func within(low, value, high int64) int64 { return max(low, min(value, high)) }
