"""The words for the amounts of an invoice's totals, in six languages. Data only; spelt as `rules_words` says."""

from __future__ import annotations

import re

from .rules_words import phrases

_WORDS = {
    "gross": """
        rounded total, total sales, total sales incl gst, total sales inclusive gst, total sales inclusive of gst,
        total after adj incl gst, total after adjustment, total after rounding,
        grand total, total facture, montant facture, factuurtotaal, factuur totaal, totaal factuur, total de la
        facture, total charges this bill, total charges this invoice, total this bill, total for this bill, total this
        invoice, current charges, total current charges, total new charges, total incl tax, total incl vat, total
        including vat, total including tax, total inc vat, total incl gst, total inc gst, total including gst, invoice
        total, total invoice amount, total invoice, total invoice value, total for this invoice, invoice amount, gross
        total, gross amount, total gross, amount incl vat, total amount incl vat, total price incl vat, total vat
        incl, total with tax, total inc tax, bruttosumme, bruttobetrag, gesamtbetrag, gesamtbetrag brutto,
        gesamtsumme, gesamtsumme brutto, rechnungsbetrag, rechnungssumme brutto, rechnungsbetrag brutto, endbetrag,
        endsumme, gesamt brutto, summe brutto, brutto, rechnungsendbetrag, gesamtbetrag inkl, gesamtpreis brutto,
        gesamtbetrag inkl mwst, total inkl mwst, summe inkl mwst, total inklusive mwst, rechnungstotal,
        rechnungssumme, gesamt inkl, total inkl, total ttc, montant ttc, montant total ttc, total t t c, total
        general, totaal incl, total toutes taxes comprises, montant total, totaalbedrag, totaal inclusief btw,
        factuurbedrag, eindtotaal, totaal inclusief, totaalbedrag incl btw, te betalen incl btw, totaal generaal,
        totale fattura, totale documento, totale ivato, totale generale, totale complessivo, importo totale, totale
        iva inclusa, totale con iva, importe total, total factura, total con iva, total iva incluido, total iva incl,
        importe total factura, total bill, gross""",
    "total": """
        total, gesamt, summe, totaal, totale, total amount, total price, total sum, gesamtpreis, suma total, order
        total""",
    "net": """
        net total, total net, net amount, total excl vat, total excl tax, total ex vat, total ex tax, total before
        tax, taxable amount, amount excl vat, total excluding vat, total excluding tax, taxable value, total taxable
        amount, net value, subtotal excl vat, total before vat, total net amount, total excluding gst, net,
        nettobetrag, nettosumme, summe netto, rechnungssumme netto, gesamt netto, netto, rechnungssumme ohne ust,
        rechnungsbetrag netto, warenwert netto, gesamtbetrag netto, total netto, total exkl mwst, total exkl, summe
        exkl mwst, betrag netto, zwischensumme netto, nettogesamt, nettobetrag gesamt, gesamtbetrag ohne mwst,
        gesamtsumme netto, total ht, montant ht, total hors taxes, total h t, base ht, montant total ht, total hors
        tva, total net ht, total htva, exclusief btw, totaal excl btw, totaal excl, nettobedrag, totaal exclusief btw,
        bedrag excl btw, totaal exclusief, totaal netto, imponibile, totale imponibile, totale netto, base imponible,
        total neto, total base imponible, importe neto, total sin iva, base, base imponibile, netto imponibile,
        subtotaal excl btw, suma neta, importe sin iva, totale merce netta""",
    "subtotal": """
        subtotal, sub total, zwischensumme, sous total, subtotaal, sub totaal, subtotale, line total, positionssumme,
        warenwert, total services, items total, goods total, merchandise, total merce, totale merce, summe positionen,
        suma, total bruto""",
    "tax": """
        vat, sales tax, tax, taxes, gst, cgst, sgst, igst, utgst, hst, pst, qst, tax total, total tax, total taxes,
        total vat, vat amount, vat total, tax amount, total gst, total tax amount, value added tax, mwst, ust,
        umsatzsteuer, mehrwertsteuer, steuerbetrag, ust gesamt, mwst betrag, mwst gesamt, umsatzsteuerbetrag,
        gesamtbetrag ust, steuer, zzgl mwst, zzgl ust, summe mwst, gesamt mwst, tva, total tva, montant tva, montant
        de la tva, montant total tva, btw, btw bedrag, totaal btw, bedrag btw, iva, totale iva, imposta, totale
        imposta, total iva, cuota iva, cuota, importe iva, di cui iva, total impuestos, impuestos, t v a, i v a,
        totale imposte, room tax, city tax, occupancy tax, state tax, county tax, local tax""",
    "due": """
        amount due, somme a payer, due payable, balance due, total due, zahlbetrag, zu zahlen, zu zahlender betrag,
        net a payer, solde a payer, reste a payer, te betalen, te betalen bedrag, openstaand bedrag, nog te betalen,
        openstaand, da pagare, totale a pagare, totale da pagare, netto a pagare, total a pagar, importe a pagar,
        liquido a pagar, offener betrag, restbetrag, please pay, amount payable, total payable, balance, total amount
        due, balance payable, payable amount, net payable, noch zu zahlen, zahlungsbetrag, gesamtbetrag zu zahlen,
        montant a payer, montant du, total a payer, totaal te betalen, total to pay, amount to pay, outstanding,
        outstanding balance, total amount payable, importo da pagare, importe pendiente, net payable amount,
        uberweisungsbetrag, total du, solde du, current balance, saldo, new balance, noch offen, zu uberweisen""",
    "prepaid": """
        amount paid, paid, payments received, payment received, payments, payment, less deposit, deposit, prepaid,
        prepayment, less payments, less paid, anzahlung, anzahlungen, erhaltene anzahlungen, bereits gezahlt, bereits
        bezahlt, abschlagszahlung, acompte, acompte verse, deja regle, deja paye, montant paye, reeds betaald,
        voldaan, aanbetaling, acconto, acconti, gia pagato, anticipo, pagado, abschlage gezahlt, paid to date,
        advance, less advance, reeds voldaan, vorauszahlung, total paid, advance paid, geleistete anzahlung, abzuglich
        anzahlung, a cuenta, acomptes""",
    "previous": """
        previous balance, previous unpaid balance, balance forward, balance brought forward, opening balance, ancien
        solde, saldo anterior, saldo precedente, vorig saldo, saldovortrag, previous amount due, past due, last bill,
        brought forward""",
    "allowance": """
        discount, rabatt, abschlage, gesamtbetrag der abschlage, nachlass, remise, remises, korting, sconto,
        descuento, less discount, total discount, total discounts, abschlag, gesamtrabatt, total allowances, trade
        discount, sconti, descuentos, rechnungsrabatt, promo, promotion, coupon, credit, credits""",
    "charge": """
        shipping, freight, freight costs, delivery, handling, shipping & handling, shipping and handling, versand,
        versandkosten, fracht, zuschlage, gesamtbetrag der zuschlage, frais de port, port, livraison, transport,
        verzendkosten, spese di spedizione, spedizione, gastos de envio, envio, portes, service charge, postage, p&p,
        delivery charge, versandkostenpauschale, frais de livraison, surcharge, tip, gratuity, spese di trasporto,
        trasporto, bezorgkosten, spese bancarie, bollo""",
    "rounding": """
        rounding, rundung, arrondi, afronding, arrotondamento, redondeo, round off, rundungsdifferenz, rounding
        adjustment, rounding adj""",
    "tendered": """
        cash, cash tendered, cash received, cash paid, amount tendered, tendered""",
    "change": """
        change, change due, change given, change amt, cash change""",
    "none": """
        total charges and allowances, total charges, total hours, total qty, total quantity, total savings, you saved,
        total items, skonto, escompte, ritenuta d acconto, ritenuta, irpf, retencion, withholding tax, gesamtgewicht,
        total weight, cash discount, cash sales, change of address,
        saldo cliente, credit limit, vat no, vat number, vat id, vat reg, vat reg no, vat registration,
        ust id, ust idnr, mwst nr, tva intracommunautaire, btw nummer, btw nr, gst no, gst id, gst reg no,
        gstin, gst number, tax id, tax
        no, steuernummer, steuer nr, partita iva, iban, total pages, net 30, n° tva, page total, tax number, tax rate,
        ubertrag""",
}
FIGURES: tuple[tuple[str, re.Pattern[str]], ...] = tuple((kind, phrases(text)) for kind, text in _WORDS.items())
"""Kinds of figures with their labels. The kind "none" is for labels that look like one of the others and are not."""
