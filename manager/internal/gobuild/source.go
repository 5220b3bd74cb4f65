package gobuild

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"hotline"
	"hotline/internal/nearest"
)

// source is the text of a service's Go package, as far as its text tells: which types are services, and what the comments say.
type source struct {
	pkg     *listed
	types   map[string]*typeDecl
	funcs   map[string]*ast.FuncDecl            // without receiver, by name
	methods map[string]map[string]*ast.FuncDecl // by type and name
}

type typeDecl struct {
	spec    *ast.TypeSpec
	imports map[string]string // of the file it stands in: import path by name, "." for a dot import
}

// answer is what the text of one package tells of a type that may take its fields from others.
type answer int

const (
	no answer = iota
	perhaps
	yes
)

// readSource parses the files of a package that belong to this system.
func readSource(pkg *listed) (*source, error) {
	s := &source{pkg: pkg, types: map[string]*typeDecl{}, funcs: map[string]*ast.FuncDecl{}, methods: map[string]map[string]*ast.FuncDecl{}}
	files := token.NewFileSet()
	for _, name := range slices.Concat(pkg.GoFiles, pkg.CgoFiles) {
		f, err := parser.ParseFile(files, filepath.Join(pkg.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("%s does not compile:\n%s", pkg.ImportPath, Indent(syntaxErrors(err)))
		}
		s.add(f)
	}
	return s, nil
}

// syntaxErrors returns what the parser found, a line each, as the compiler does.
func syntaxErrors(err error) string {
	var list scanner.ErrorList
	if !errors.As(err, &list) {
		return err.Error()
	}
	var lines []string
	for _, e := range list[:min(len(list), 10)] {
		lines = append(lines, e.Error())
	}
	return strings.Join(lines, "\n")
}

func (s *source) add(f *ast.File) {
	imports := map[string]string{}
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(p) // a guess, where the package is called otherwise; hotline is not
		if i.Name != nil {
			name = i.Name.Name
		}
		imports[name] = p
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					s.types[t.Name.Name] = &typeDecl{t, imports}
				}
			}
		case *ast.FuncDecl:
			receiver := receiverName(d)
			switch {
			case d.Recv == nil:
				s.funcs[d.Name.Name] = d
			case s.methods[receiver] == nil:
				s.methods[receiver] = map[string]*ast.FuncDecl{d.Name.Name: d}
			default:
				s.methods[receiver][d.Name.Name] = d
			}
		}
	}
}

// check reports why the type can't be served.
func (s *source) check(name string) error {
	if s.pkg.Name == "main" {
		return fmt.Errorf("%s is package main, which can't be imported: build it and name the program with binary, "+
			"or move %s to a package of its own", s.pkg.ImportPath, name)
	}
	t, ok := s.types[name]
	switch {
	case !ok:
		return fmt.Errorf("package %s has no type %s: %s", s.pkg.ImportPath, name, s.choices(name))
	case t.spec.TypeParams != nil:
		return fmt.Errorf("type %s of package %s has type parameters: declare a type without, that embeds %s[…]",
			name, s.pkg.ImportPath, name)
	case s.isService(name, nil) == no:
		return fmt.Errorf("type %s of package %s does not embed hotline.ServerMethodsBase: %s", name, s.pkg.ImportPath, s.choices(name))
	}
	return nil
}

// choices says which services there are.
func (s *source) choices(name string) string {
	var all []string
	for t, decl := range s.types {
		if token.IsExported(t) && decl.spec.TypeParams == nil && s.isService(t, nil) == yes {
			all = append(all, t)
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return "no exported type of the package does. Embed hotline.ServerMethodsBase in a struct to make it a service"
	}
	hint := "set type to the one that is meant"
	if near := nearest.Word(name, all); near != "" {
		hint = "did you mean " + near + "?"
	}
	return fmt.Sprintf("its services are %s: %s", strings.Join(all, ", "), hint)
}

// isService reports whether a type embeds the base, itself or in what it embeds. Where that is in another package,
// the compiler and the registration will tell.
func (s *source) isService(name string, seen []string) answer {
	t, ok := s.types[name]
	if !ok || slices.Contains(seen, name) {
		return no
	}
	structure, ok := t.spec.Type.(*ast.StructType)
	if !ok {
		return s.embeds(t, t.spec.Type, append(seen, name)) // type Server Other, or type Server = other.Server
	}
	found := no
	for _, f := range structure.Fields.List {
		if len(f.Names) == 0 {
			found = max(found, s.embeds(t, f.Type, append(seen, name)))
		}
	}
	return found
}

// embeds is isService for a type that t's declaration names.
func (s *source) embeds(t *typeDecl, e ast.Expr, seen []string) answer {
	base := reflect.TypeFor[hotline.ServerMethodsBase]()
	switch e := e.(type) {
	case *ast.Ident:
		if _, local := s.types[e.Name]; !local && e.Name == base.Name() && t.imports["."] == base.PkgPath() {
			return yes
		}
		return s.isService(e.Name, seen)
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		switch {
		case !ok:
			return no
		case t.imports[pkg.Name] != base.PkgPath():
			return perhaps
		case e.Sel.Name == base.Name():
			return yes
		}
		return no
	case *ast.StarExpr:
		return s.embeds(t, e.X, seen)
	case *ast.ParenExpr:
		return s.embeds(t, e.X, seen)
	case *ast.IndexExpr, *ast.IndexListExpr:
		return perhaps
	}
	return no
}

// hasConstructor reports whether the package has func New<Type>() (*<Type>, error). Where it has a function of that
// name and another form, err says so.
func (s *source) hasConstructor(name string) (found bool, err error) {
	f, ok := s.funcs["New"+name]
	if !ok {
		return false, nil
	}
	var results []ast.Expr
	if f.Type.Results != nil {
		for _, r := range f.Type.Results.List {
			for range max(1, len(r.Names)) {
				results = append(results, r.Type)
			}
		}
	}
	if f.Type.TypeParams == nil && len(f.Type.Params.List) == 0 && len(results) == 2 {
		star, isPointer := results[0].(*ast.StarExpr)
		second, isName := results[1].(*ast.Ident)
		if isPointer && isName && second.Name == "error" {
			if made, ok := star.X.(*ast.Ident); ok && made.Name == name {
				return true, nil
			}
		}
	}
	return false, fmt.Errorf("func New%s is not used, because it is not func() (*%s, error): the service is made with new(%s)", name, name, name)
}

// docs returns the doc comments of the methods that a service type has, by "Type.Method": those of the type itself,
// then those of what it embeds, then those of the fields of function type that it embeds.
func (s *source) docs(ctx context.Context, tool *goTool, name string) map[string]string {
	c := &docCollector{ctx: ctx, tool: tool, service: name, docs: map[string]string{}}
	c.collect(s, name)
	return c.docs
}

type docCollector struct {
	ctx     context.Context
	tool    *goTool
	service string
	docs    map[string]string
	depth   int
}

// maxDepth bounds how deep structs are followed that embed each other.
const maxDepth = 8

func (c *docCollector) collect(s *source, name string) {
	if c.depth++; c.depth > maxDepth {
		return
	}
	defer func() { c.depth-- }()
	for method, f := range s.methods[name] {
		c.add(method, f.Doc)
	}
	t, ok := s.types[name]
	if !ok {
		return
	}
	structure, ok := t.spec.Type.(*ast.StructType)
	if !ok {
		c.follow(s, t, t.spec.Type)
		return
	}
	for _, f := range structure.Fields.List {
		if len(f.Names) == 0 {
			c.follow(s, t, f.Type)
		}
		if _, isFunc := f.Type.(*ast.FuncType); !isFunc {
			continue
		}
		for _, n := range f.Names {
			c.add(n.Name, f.Doc)
			c.add(n.Name, f.Comment)
		}
	}
}

// follow collects from a type that t's declaration embeds. It may be in another package: a comment is not worth an
// error, so a package that can't be read has none.
func (c *docCollector) follow(s *source, t *typeDecl, e ast.Expr) {
	switch e := e.(type) {
	case *ast.StarExpr:
		c.follow(s, t, e.X)
	case *ast.Ident:
		c.collect(s, e.Name)
	case *ast.SelectorExpr:
		pkg, ok := e.X.(*ast.Ident)
		path := ""
		if ok {
			path = t.imports[pkg.Name]
		}
		if path == "" || path == reflect.TypeFor[hotline.ServerMethodsBase]().PkgPath() {
			return
		}
		other, err := c.tool.list(c.ctx, s.pkg.Dir, path)
		if err != nil || other.Standard {
			return
		}
		if from, err := readSource(other); err == nil {
			c.collect(from, e.Sel.Name)
		}
	}
}

func (c *docCollector) add(method string, comment *ast.CommentGroup) {
	key, text := c.service+"."+method, strings.TrimSpace(comment.Text())
	if _, has := c.docs[key]; !has && text != "" && token.IsExported(method) {
		c.docs[key] = text
	}
}

// findSource finds the package of a service and checks that it has the service.
func findSource(ctx context.Context, tool *goTool, dir string, s *Service) (*source, error) {
	from, pkg := dir, s.ImportFrom
	if filepath.IsAbs(s.ImportFrom) {
		from, pkg = s.ImportFrom, "."
	}
	found, err := tool.list(ctx, from, pkg)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, listError(s, dir, err)
	}
	src, err := readSource(found)
	if err != nil {
		return nil, err
	}
	return src, src.check(s.Type)
}

// listError adds the mend to what go list said.
func listError(s *Service, dir string, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "go.mod file not found"), strings.Contains(text, "cannot find main module"):
		return fmt.Errorf("%w\nThe package must be in a Go module: run go mod init in its directory", err)
	case !filepath.IsAbs(s.ImportFrom):
		if files, _ := filepath.Glob(filepath.Join(dir, filepath.FromSlash(s.ImportFrom), "*.go")); len(files) > 0 {
			return fmt.Errorf("%w\nFor the directory %s beside this file, write import_from = ./%s", err, s.ImportFrom, s.ImportFrom)
		}
	}
	return errors.New(text)
}

// receiverName returns the name of the type that f is a method of, or "".
func receiverName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) != 1 {
		return ""
	}
	e := f.Recv.List[0].Type
	for {
		switch t := e.(type) {
		case *ast.StarExpr:
			e = t.X
		case *ast.ParenExpr:
			e = t.X
		case *ast.IndexExpr:
			e = t.X
		case *ast.IndexListExpr:
			e = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}
